// @ts-check
/**
 * The ticket's form. Heard values appear by themselves; what the agent types is his: it is sent
 * when he pauses or leaves the field, kept while the connection is away, and never overwritten.
 */

import { ApiError } from "./api.js";
import { has, t } from "./i18n.js";

/** @typedef {import("./state.js").Ticket} Ticket */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

const TYPES = ["咨询", "求助", "投诉", "举报", "建议", "表扬"];

/**
 * @typedef {object} Layout
 * @property {string} name
 * @property {"text" | "tel" | "select" | "checkbox" | "area"} kind
 * @property {string[]} [choices]
 * @property {number} [length]
 */

/** @type {Layout[]} in the order of the form; desk.css places them by name */
const FIELDS = [
  { name: "name", kind: "text", length: 40 },
  { name: "title", kind: "select", choices: ["先生", "女士"] },
  { name: "phone", kind: "tel", length: 24 },
  { name: "address", kind: "text", length: 200 },
  { name: "time", kind: "text", length: 60 },
  { name: "type", kind: "select", choices: TYPES },
  { name: "category", kind: "select" },
  { name: "urgency", kind: "select", choices: ["普通", "一般", "紧急", "特急"] },
  { name: "transfer", kind: "select", choices: ["110", "119", "120", "122"] },
  { name: "urgency_reason", kind: "text", length: 200 },
  { name: "party", kind: "text", length: 100 },
  { name: "topic", kind: "text", length: 100 },
  { name: "secret", kind: "checkbox" },
  { name: "repeat", kind: "checkbox" },
  { name: "content", kind: "area", length: 10000 },
];

const PAUSE_MS = 1200;
const FLASH_MS = 1600;
const UNSURE_BELOW = 0.5;

/** One field of the form. */
class Row {
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
    if (control instanceof HTMLInputElement) control.type = kind;
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

  /** @param {string[]} choices */
  set choices(choices) {
    const kept = this.control.value;
    this.control.replaceChildren(new Option(t("none"), ""), ...choices.map((c) => new Option(c, c)));
    this.control.value = kept;
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

export class TicketForm {
  /**
   * @param {HTMLFormElement} form
   * @param {object} hooks
   * @param {(ticketId: string, fields: Record<string, unknown>) => Promise<Ticket>} hooks.save
   * @param {(ticket: Ticket) => void} hooks.onSaved
   * @param {(key: "" | "saving" | "saved" | "unsaved" | "rejected") => void} hooks.onStatus
   * @param {(passage: {leg: string, start: number, end: number}) => void} hooks.onPlay
   */
  constructor(form, { save, onSaved, onStatus, onPlay }) {
    this.form = form;
    this.save = save;
    this.onSaved = onSaved;
    this.onStatus = onStatus;
    /** @type {Map<string, Row>} */
    this.rows = new Map(FIELDS.map((layout) => [layout.name, new Row(layout)]));
    /** @type {Ticket | null} */
    this.ticket = null;
    this.mine = false;
    /** @type {Map<string, Map<string, unknown>>} ticket id -> field -> typed, not yet stored */
    this.typed = new Map();
    /** @type {Set<string>} fields whose typed value was refused: wait for another one */
    this.refused = new Set();
    this.pause = 0;
    /** @type {Promise<void>} */
    this.sending = Promise.resolve();
    for (const [name, row] of this.rows) {
      row.control.addEventListener("input", () => this.type(name));
      row.control.addEventListener("change", () => this.send());
      row.source.addEventListener("click", (event) => {
        event.preventDefault(); // the label would give the focus to its field
        if (row.passage) onPlay(row.passage);
      });
    }
    form.append(...[...this.rows.values()].map((row) => row.root));
    form.addEventListener("submit", (event) => event.preventDefault());
    this.translate();
  }

  translate() {
    for (const row of this.rows.values()) row.translate();
    if (this.ticket) this.show(this.ticket, this.mine);
  }

  /** @param {string[]} names */
  setCategories(names) {
    const row = this.rows.get("category");
    if (row) row.choices = names;
  }

  /** Whether something typed has not reached the server. */
  get unsaved() {
    return [...this.typed.values()].some((fields) => fields.size > 0);
  }

  /**
   * @param {Ticket | null} ticket
   * @param {boolean} mine whether it is the agent's own to change
   */
  show(ticket, mine) {
    this.mine = mine;
    const changed = ticket?.id !== this.ticket?.id;
    if (changed) {
      this.refused.clear();
      this.onStatus("");
      this.send(); // of the ticket that leaves the form
    }
    const before = changed ? null : this.ticket;
    this.ticket = ticket;
    this.form.hidden = !ticket;
    if (!ticket) return;
    const typed = this.typed.get(ticket.id);
    for (const [name, row] of this.rows) {
      row.control.disabled = !mine || ticket.status === "submitted";
      if (changed) row.showError("");
      if (typed?.has(name)) {
        if (changed) row.value = typed.get(name);
        row.showSource("agent", null);
        continue;
      }
      const field = ticket.fields[name] ?? { value: null, source: null, evidence: null };
      const old = before?.fields[name];
      if (changed || old?.value !== field.value || row.value !== field.value) {
        row.value = field.value;
      }
      row.showSource(field.source, field.evidence, field.confidence);
      row.passage = field.source === "heard" ? (field.passage ?? null) : null;
      const heard = row.source.dataset.source === "heard";
      if (before && heard && old?.value !== field.value) row.flash();
    }
    this.form.dataset.urgency = String(this.rows.get("urgency")?.value ?? "");
    this.form.dataset.transfer = String(this.rows.get("transfer")?.value ?? "");
  }

  /** @param {string} name */
  type(name) {
    const row = this.rows.get(name);
    if (!row || !this.ticket) return;
    const fields = this.typed.get(this.ticket.id) ?? new Map();
    this.typed.set(this.ticket.id, fields);
    fields.set(name, row.value);
    this.refused.delete(name);
    row.showError("");
    row.showSource("agent", null);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.send(), PAUSE_MS);
  }

  /**
   * Sends what was typed, one request after the other.
   * @returns {Promise<void>} when the requests are through, or failed
   */
  send() {
    clearTimeout(this.pause);
    this.sending = this.sending.then(async () => {
      for (const ticketId of [...this.typed.keys()]) await this.sendOne(ticketId);
    });
    return this.sending;
  }

  /**
   * @returns {Promise<boolean>} whether everything of the shown ticket is stored
   */
  async flush() {
    await this.send();
    return !this.ticket || !(this.typed.get(this.ticket.id)?.size ?? 0);
  }

  /** @param {string} ticketId */
  async sendOne(ticketId) {
    const typed = this.typed.get(ticketId);
    const here = () => this.ticket?.id === ticketId;
    if (!typed) return;
    const batch = new Map([...typed].filter(([name]) => !here() || !this.refused.has(name)));
    if (!batch.size) return;
    this.onStatus("saving");
    try {
      const ticket = await this.save(ticketId, Object.fromEntries(batch));
      for (const [name, value] of batch) {
        if (typed.get(name) === value) typed.delete(name);
      }
      if (!typed.size) this.typed.delete(ticketId);
      this.onSaved(ticket);
      this.onStatus(this.unsaved ? "unsaved" : "saved");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await this.failed(ticketId, error, batch);
    }
  }

  /**
   * @param {string} ticketId
   * @param {ApiError} error
   * @param {Map<string, unknown>} batch
   */
  async failed(ticketId, error, batch) {
    const name = error.field?.replace(/^fields\./, "") ?? "";
    if (error.status === 422 && batch.has(name)) {
      this.refused.add(name);
      const key = `error.${error.code}`;
      const here = this.ticket?.id === ticketId;
      if (here) this.rows.get(name)?.showError(has(key) ? t(key) : error.message);
      else this.typed.get(ticketId)?.delete(name);
      if (batch.size > 1) await this.sendOne(ticketId); // the others are not to blame
      this.onStatus(here ? "rejected" : ""); // another ticket's error is not this one's
    } else if (error.status === 409 || error.status === 404 || error.status === 403) {
      this.typed.delete(ticketId); // submitted meanwhile, from another window
      this.onStatus("");
    } else {
      this.onStatus("unsaved"); // tried again when the connection is back
    }
  }
}
