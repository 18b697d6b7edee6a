// @ts-check
/** The fields of the ticket's form: what each takes, and how one shows its value and its source. */

import { t } from "./i18n.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

const TYPES = ["咨询", "求助", "投诉", "举报", "建议", "表扬"];

/**
 * @typedef {object} Layout
 * @property {string} name
 * @property {"text" | "tel" | "select" | "checkbox" | "area" | "choice"} kind
 * @property {string[]} [choices]
 * @property {number} [length]
 */

/** @type {Layout[]} in the order of the form; desk.css places them by name */
export const FIELDS = [
  { name: "name", kind: "text", length: 40 },
  { name: "title", kind: "select", choices: ["先生", "女士"] },
  { name: "phone", kind: "tel", length: 24 },
  { name: "address", kind: "text", length: 200 },
  { name: "time", kind: "text", length: 60 },
  { name: "type", kind: "select", choices: TYPES },
  { name: "category", kind: "choice", length: 100 },
  { name: "urgency", kind: "select", choices: ["普通", "一般", "紧急", "特急"] },
  { name: "transfer", kind: "select", choices: ["110", "119", "120", "122"] },
  { name: "urgency_reason", kind: "text", length: 200 },
  { name: "party", kind: "text", length: 100 },
  { name: "topic", kind: "text", length: 100 },
  { name: "secret", kind: "checkbox" },
  { name: "repeat", kind: "checkbox" },
  { name: "content", kind: "area", length: 10000 },
];

const FLASH_MS = 1600;
const UNSURE_BELOW = 0.5;

/** One field of the form. */
export class Row {
  /** @param {Layout} layout */
  constructor(layout) {
    this.layout = layout;
    this.control = this.makeControl();
    this.root = document.createElement("label");
    this.root.className = `field field-${layout.name}`;
    this.root.dataset.testid = `field-${layout.name}-box`;
    this.label = document.createElement("span");
    this.label.className = "label";
    this.caption = document.createElement("span");
    this.source = document.createElement("span");
    this.source.className = "source";
    this.source.dataset.testid = `source-${layout.name}`;
    this.label.append(this.caption, this.source);
    this.error = document.createElement("span");
    this.error.className = "error";
    this.error.dataset.testid = `error-${layout.name}`;
    this.root.append(this.label, this.control, this.error);
    this.flashing = 0;
    /** @type {{leg: string, start: number, end: number} | null} where its words were said */
    this.passage = null;
  }

  /** @returns {Control} */
  makeControl() {
    const { name, kind, choices = [], length } = this.layout;
    const tag = kind === "select" ? "select" : kind === "area" ? "textarea" : "input";
    const control = /** @type {Control} */ (document.createElement(tag));
    control.name = name;
    control.dataset.testid = `field-${name}`;
    if (control instanceof HTMLInputElement) control.type = kind === "choice" ? "text" : kind;
    control.autocomplete = "off";
    if (length && !(control instanceof HTMLSelectElement)) control.maxLength = length;
    if (control instanceof HTMLSelectElement) {
      control.append(new Option(t("none"), ""), ...choices.map((c) => new Option(c, c)));
    }
    return control;
  }

  /** @returns {string | boolean | null} what the field holds, as the API takes it */
  get value() {
    if (this.layout.kind === "checkbox") {
      return /** @type {HTMLInputElement} */ (this.control).checked;
    }
    return this.control.value.trim() === "" && this.layout.kind !== "area"
      ? null
      : this.control.value;
  }

  /** @param {any} value */
  set value(value) {
    if (this.control instanceof HTMLSelectElement && value && ![...this.control.options].some((o) => o.value === value)) {
      this.control.append(new Option(value, value)); // of a tree that was in use before
    }
    if (this.layout.kind === "checkbox") {
      /** @type {HTMLInputElement} */ (this.control).checked = Boolean(value);
    } else {
      this.control.value = value ?? "";
    }
  }

  translate() {
    this.caption.textContent = t(`field.${this.layout.name}`);
    this.label.dataset.missing = t("missing");
  }

  /**
   * @param {string | null} source
   * @param {string | null} evidence
   * @param {number | null} [confidence]
   */
  showSource(source, evidence, confidence = null) {
    const filled = this.value !== null && this.value !== "" && this.value !== false;
    /** @type {Record<string, boolean>} */
    const speaks = {
      // What a ticket begins with was not heard; only the content is without the words it is from.
      heard: filled && (evidence !== null || this.layout.kind === "area"),
      caller_id: filled,
      history: filled,
      agent: true, // also of a field that he emptied on purpose
    };
    const shown = source && speaks[source] ? source : "";
    this.source.textContent = shown ? t(`source.${shown}`) : "";
    this.source.dataset.source = shown;
    const percent = shown === "heard" && confidence ? ` ${Math.round(confidence * 100)}%` : "";
    this.root.title = shown && evidence ? `“${evidence}”${percent}` : "";
    this.root.classList.toggle("unsure", shown === "heard" && (confidence ?? 1) < UNSURE_BELOW);
  }

  /** @param {string} text */
  showError(text) {
    this.error.textContent = text;
    this.root.classList.toggle("wrong", Boolean(text));
  }

  flash() {
    clearTimeout(this.flashing);
    this.root.classList.add("flash");
    this.flashing = setTimeout(() => this.root.classList.remove("flash"), FLASH_MS);
  }
}
