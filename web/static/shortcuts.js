// @ts-check
/**
 * The keyboard: Alt and the letter that an element shows (`data-key`) does what a click on it does;
 * "?" opens the sheet of all of them.
 *
 * Letters are taken by their place on the keyboard (`code`): with Alt held some systems type others.
 */

import { t } from "./i18n.js";
import { byId, make } from "./page.js";

/** Keys that need no letter: [keys, what they do]. */
const OTHERS = [
  ["Ctrl Enter", "submit"],
  ["Enter", "key_consult"],
  ["Shift Enter", "key_blind"],
  ["↑ ↓", "key_choose"],
  ["Esc", "close"],
  ["?", "shortcuts"],
];

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (target instanceof HTMLInputElement) return target.type !== "checkbox";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** @param {HTMLElement} element */
function isShown(element) {
  return element.getClientRects().length > 0 && !element.hasAttribute("disabled");
}

export class Shortcuts {
  constructor() {
    this.sheet = /** @type {HTMLDialogElement} */ (byId("shortcuts-dialog"));
    byId("shortcuts").addEventListener("click", () => this.open());
    byId("shortcuts-close").addEventListener("click", () => this.sheet.close());
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (byId("desk").hidden || event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.key === "?" && !event.altKey && !isTyping(event.target)) {
      if (this.sheet.open) this.sheet.close();
      else this.open();
      event.preventDefault();
    } else if (event.altKey && event.code.startsWith("Key")) {
      const element = this.find(event.code.slice(3));
      if (!element) return;
      event.preventDefault();
      if (isTyping(element)) element.focus();
      else element.click();
    }
  }

  /** @param {string} letter @returns {HTMLElement | undefined} what can be pressed now */
  find(letter) {
    const within = document.querySelector("dialog:modal") ?? document;
    const found = /** @type {NodeListOf<HTMLElement>} */ (within.querySelectorAll(`[data-key="${letter}"]`));
    return [...found].find(isShown);
  }

  open() {
    if (document.querySelector("dialog:modal")) return;
    const letters = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-key]"));
    /** @type {[string, string][]} */
    const all = [...letters].map((element) => [
      `Alt ${element.dataset.key}`,
      element.dataset.keyName ? t(element.dataset.keyName) : (element.textContent ?? ""),
    ]);
    for (const [keys, what] of OTHERS) all.push([keys, t(what)]);
    byId("shortcuts-list").replaceChildren(...all.map(([keys, what]) => row(keys, what)));
    this.sheet.showModal();
  }
}

/** @param {string} keys @param {string} what */
function row(keys, what) {
  const item = make("li", "shortcut", "", "shortcut");
  const pressed = make("span", "shortcut-keys", "");
  pressed.append(...keys.split(" ").map((key) => make("kbd", "", key)));
  item.append(pressed, make("span", "", what));
  return item;
}
