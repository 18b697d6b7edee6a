// @ts-check
/** The directory: partners, colleagues and lines, found by name, pinyin, initials or number. */

import { t } from "./i18n.js";
import { byId, make } from "./page.js";

/**
 * @typedef {object} Entry
 * @property {string} target
 * @property {"partner" | "agent" | "line" | "skill" | "number"} kind
 * @property {string} name
 * @property {string[]} numbers
 * @property {string[]} [topics] what a partner is called for
 * @property {boolean} available
 * @property {string | null} state
 */

/** @typedef {"consult" | "blind" | "conference"} Mode */

const PAUSE_MS = 120;
const A_NUMBER = /^\+?\d{3,20}$/;

export class Directory {
  /**
   * @param {object} hooks
   * @param {(typed: string) => Promise<Entry[]>} hooks.find
   * @param {(target: string, mode: Mode) => void} hooks.call
   */
  constructor({ find, call }) {
    this.find = find;
    this.call = call;
    /** @type {Map<string, string>} target → name */
    this.names = new Map();
    /** @type {Entry[]} */
    this.entries = [];
    this.chosen = 0;
    this.mayCall = false;
    this.pause = 0;
    this.turn = 0;
    this.card = byId("directory-card");
    this.list = byId("directory-list");
    this.search = /** @type {HTMLInputElement} */ (byId("directory-search"));
    this.stale = false;
    this.search.addEventListener("input", () => {
      clearTimeout(this.pause);
      this.stale = true;
      this.pause = setTimeout(() => this.load(), PAUSE_MS);
    });
    this.search.addEventListener("keydown", (event) => this.pressed(event));
    byId("directory-close").addEventListener("click", () => this.close());
  }

  /** Learns the names by which targets are shown. */
  async learn() {
    for (const { target, name } of await this.find("")) this.names.set(target, name);
  }

  /** @param {string} target @returns {string} */
  nameOf(target) {
    const number = target.slice(target.indexOf(":") + 1);
    const name = this.names.get(target);
    return name && name !== number ? `${name} ${number}` : number;
  }

  get isOpen() {
    return !this.card.hidden;
  }

  open() {
    this.card.hidden = false;
    this.search.value = "";
    this.search.focus();
    return this.load();
  }

  close() {
    this.card.hidden = true;
  }

  /** @param {boolean} mayCall whether there is a call that can be passed on now */
  show(mayCall) {
    if (mayCall === this.mayCall) return;
    this.mayCall = mayCall;
    this.draw();
  }

  async load() {
    clearTimeout(this.pause);
    this.stale = false;
    this.turn += 1;
    const turn = this.turn;
    const typed = this.search.value.trim();
    const found = await this.find(typed);
    if (turn !== this.turn) return;
    for (const { target, name } of found) this.names.set(target, name);
    const known = found.some(({ numbers }) => numbers.includes(typed));
    this.entries = A_NUMBER.test(typed) && !known ? [...found, outside(typed)] : found;
    this.chosen = 0;
    this.draw();
  }

  draw() {
    const rows = this.entries.map((entry, n) => this.row(entry, n));
    this.list.replaceChildren(...(rows.length ? rows : [make("li", "empty", t("directory_none"))]));
    this.choose(this.chosen);
  }

  /** @param {Entry} entry @param {number} n */
  row(entry, n) {
    const row = make("li", "directory-entry", "", "directory-entry");
    row.dataset.target = entry.target;
    const who = make("span", "grow", entry.name);
    const where = entry.state ? t(`state.${entry.state}`) : entry.available ? "" : t("directory_closed");
    const state = make("span", "chip", where);
    state.dataset.level = entry.available ? "ok" : "off";
    if (entry.topics?.length) who.append(make("span", "muted", ` ${entry.topics.join("、")}`));
    row.append(who, make("span", "mono muted", entry.numbers.join(" ")), state, this.buttons(entry));
    row.addEventListener("click", () => this.choose(n));
    return row;
  }

  /** @param {Entry} entry */
  buttons({ target, kind }) {
    const buttons = make("span", "directory-buttons", "");
    /** @type {Mode[]} */
    const modes = ["line", "skill"].includes(kind) ? ["blind"] : ["consult", "conference", "blind"];
    for (const mode of modes) {
      const button = /** @type {HTMLButtonElement} */ (make("button", "small", t(`transfer_${mode}`), `call-${mode}`));
      button.type = "button";
      button.tabIndex = -1; // arrows and Enter serve the keyboard
      button.disabled = !this.mayCall;
      button.addEventListener("click", () => this.call(target, mode));
      buttons.append(button);
    }
    return buttons;
  }

  /** @param {number} n */
  choose(n) {
    this.chosen = n;
    [...this.list.children].forEach((item, at) => {
      if (at === n) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
      if (at === n && this.isOpen) item.scrollIntoView({ block: "nearest" });
    });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.isComposing || event.altKey || event.ctrlKey) return;
    const count = this.entries.length;
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown" && count) this.choose((this.chosen + 1) % count);
    else if (event.key === "ArrowUp" && count) this.choose((this.chosen + count - 1) % count);
    else if (event.key === "Enter") this.enter(event.shiftKey);
    else return;
    event.preventDefault();
  }

  /** @param {boolean} blind */
  async enter(blind) {
    if (this.stale) await this.load(); // what was typed counts, not what is still shown
    const entry = this.entries[this.chosen];
    if (entry && this.mayCall) this.call(entry.target, blind || ["line", "skill"].includes(entry.kind) ? "blind" : "consult");
  }
}

/** @param {string} number @returns {Entry} */
function outside(number) {
  const name = t("directory_dial");
  return { target: `number:${number}`, kind: "number", name, numbers: [number], available: true, state: null };
}
