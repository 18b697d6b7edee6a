// @ts-check
/** A field that offers what may complete it: arrows and Enter choose, Escape leaves it as it is. */

import { make } from "./page.js";

const PAUSE_MS = 150;

/**
 * @template Option
 * @typedef {object} Hooks
 * @property {(typed: string) => Promise<Option[]>} find what to offer
 * @property {(option: Option) => void} pick one was chosen
 * @property {(option: Option) => HTMLElement} draw
 * @property {boolean} [opens] whether it offers everything when it is entered or ↓ is pressed
 */

/** @template Option */
export class Combobox {
  /**
   * @param {HTMLInputElement} input
   * @param {Hooks<Option>} hooks
   */
  constructor(input, hooks) {
    this.input = input;
    this.hooks = hooks;
    /** @type {Option[]} */
    this.options = [];
    this.chosen = -1;
    this.pause = 0;
    this.turn = 0;
    this.list = make("ul", "suggestions", "", `suggestions-${input.name}`);
    this.list.id = `suggestions-${input.name}`;
    this.list.setAttribute("role", "listbox");
    this.list.hidden = true;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-autocomplete", "list");
    input.addEventListener("input", () => this.later());
    input.addEventListener("keydown", (event) => this.pressed(event));
    input.addEventListener("blur", () => this.close());
    if (hooks.opens) input.addEventListener("click", () => this.offer(""));
    // A press in the list would take the focus, and with it the list, before it is a click.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  later() {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.offer(this.input.value), PAUSE_MS);
  }

  /** @param {string} typed */
  async offer(typed) {
    clearTimeout(this.pause);
    this.turn += 1;
    const turn = this.turn;
    const options = typed.trim() || this.hooks.opens ? await this.hooks.find(typed.trim()) : [];
    if (turn !== this.turn || document.activeElement !== this.input) return;
    this.options = options;
    this.list.replaceChildren(...options.map((option, n) => this.item(option, n)));
    this.list.hidden = !options.length;
    this.input.setAttribute("aria-expanded", String(options.length > 0));
    this.choose(typed && options.length ? 0 : -1);
  }

  /** @param {Option} option @param {number} n */
  item(option, n) {
    const item = this.hooks.draw(option);
    item.id = `${this.list.id}-${n}`;
    item.setAttribute("role", "option");
    item.addEventListener("click", (event) => {
      event.preventDefault(); // it may stand in a label
      this.take(n);
    });
    return item;
  }

  /** @param {number} n */
  choose(n) {
    this.chosen = n;
    [...this.list.children].forEach((item, at) => {
      item.setAttribute("aria-selected", String(at === n));
      if (at === n) item.scrollIntoView({ block: "nearest" });
    });
    if (n < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${n}`);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.isComposing || event.altKey || event.ctrlKey) return;
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" && !open) this.offer(this.hooks.opens ? "" : this.input.value);
    else if (!open) return;
    else if (event.key === "ArrowDown") this.choose((this.chosen + 1) % this.options.length);
    else if (event.key === "ArrowUp") {
      this.choose((this.chosen + this.options.length - 1) % this.options.length);
    } else if (event.key === "Enter" && this.chosen >= 0) this.take(this.chosen);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} n */
  take(n) {
    const option = this.options[n];
    this.close();
    this.hooks.pick(option);
  }

  close() {
    clearTimeout(this.pause);
    this.turn += 1;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
