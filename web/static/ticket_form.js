// @ts-check
/**
 * The ticket's form. Heard values appear by themselves; what the agent types is his: it is sent
 * when he pauses or leaves the field, kept while the connection is away, and never overwritten.
 */

import { ApiError } from "./api.js";
import { Combobox } from "./combobox.js";
import { FIELDS, Row } from "./field_row.js";
import { has, t, told } from "./i18n.js";
import { make } from "./page.js";

/** @typedef {import("./state.js").Ticket} Ticket */
/** @typedef {{category: string, topic: string | null}} FoundCategory */
/** @typedef {{name: string, kind: string, start: number}} Place */

/** Who, when, where, what: without these a ticket goes nowhere. */
const NEEDED = ["name", "phone", "address", "time", "type", "category", "content"];
const PAUSE_MS = 1200;

export class TicketForm {
  /**
   * @param {HTMLFormElement} form
   * @param {object} hooks
   * @param {(ticketId: string, fields: Record<string, unknown>) => Promise<Ticket>} hooks.save
   * @param {(ticket: Ticket) => void} hooks.onSaved
   * @param {(key: "" | "saving" | "saved" | "unsaved" | "rejected") => void} hooks.onStatus
   * @param {(passage: {leg: string, start: number, end: number}) => void} hooks.onPlay
   * @param {(names: string[]) => void} hooks.onMissing
   * @param {(typed: string) => Promise<FoundCategory[]>} hooks.findCategories
   * @param {(typed: string) => Promise<Place[]>} hooks.findPlaces
   */
  constructor(form, { save, onSaved, onStatus, onPlay, findCategories, findPlaces, onMissing }) {
    this.form = form;
    this.onMissing = onMissing;
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
      if (row.layout.kind === "choice") {
        row.control.addEventListener("change", () => this.settle(row));
      } else {
        row.control.addEventListener("input", () => this.type(name));
        row.control.addEventListener("change", () => this.send());
      }
      row.source.addEventListener("click", (event) => {
        event.preventDefault(); // the label would give the focus to its field
        if (row.passage) onPlay(row.passage);
      });
    }
    form.append(...[...this.rows.values()].map((row) => row.root));
    this.suggest("category", {
      find: findCategories,
      pick: (/** @type {FoundCategory} */ { category, topic }) => {
        this.put("category", category);
        if (topic) this.put("topic", topic);
        this.send();
      },
      draw: (/** @type {FoundCategory} */ { category, topic }) => {
        const item = make("li", topic ? "suggestion topic" : "suggestion", topic ?? category);
        if (topic) item.append(make("span", "muted", category));
        return item;
      },
      opens: true,
    });
    this.suggest("address", {
      find: findPlaces,
      pick: (/** @type {Place} */ { name, start }) => {
        const before = String(this.rows.get("address")?.value ?? "").slice(0, start);
        this.put("address", before + name);
        this.send();
      },
      draw: (/** @type {Place} */ { name, kind }) => {
        const item = make("li", "suggestion", name);
        item.append(make("span", "muted", kind));
        return item;
      },
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    this.translate();
  }

  translate() {
    for (const row of this.rows.values()) row.translate();
    if (this.ticket) this.show(this.ticket, this.mine);
  }

  /**
   * @template Option
   * @param {string} name
   * @param {import("./combobox.js").Hooks<Option>} hooks
   */
  suggest(name, hooks) {
    const row = this.rows.get(name);
    if (!row || !(row.control instanceof HTMLInputElement)) return;
    row.root.append(new Combobox(row.control, hooks).list);
  }

  /** @param {string} name @param {string} value a value that was chosen, not typed */
  put(name, value) {
    const row = this.rows.get(name);
    if (!row) return;
    row.value = value;
    this.type(name);
  }

  /** @param {Record<string, string>} fields what somebody else knows; only what is empty is filled */
  fillEmpty(fields) {
    if (this.ticket?.status !== "draft" || !this.mine) return;
    for (const [name, value] of Object.entries(fields)) {
      if (!String(this.rows.get(name)?.value ?? "").trim()) this.put(name, value);
    }
    this.send();
  }

  /** @param {Row} row a choice that was left: what is in no list is taken back */
  settle(row) {
    const { name } = row.layout;
    if (row.control.value === "") {
      this.type(name);
      this.send();
    } else row.value = this.typed.get(this.ticket?.id ?? "")?.get(name) ?? this.ticket?.fields[name]?.value;
  }

  /** @returns {string[]} the fields of the shown draft that are still to be filled */
  get missing() {
    if (this.ticket?.status !== "draft" || !this.mine) return [];
    return NEEDED.filter((name) => !String(this.rows.get(name)?.value ?? "").trim());
  }

  focusMissing() {
    const [first] = this.missing;
    if (first) this.rows.get(first)?.control.focus();
  }

  markMissing() {
    const { missing } = this;
    for (const [name, row] of this.rows) {
      row.root.classList.toggle("missing", missing.includes(name));
    }
    this.onMissing(missing);
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
      const choosing = row.layout.kind === "choice" && row.control === document.activeElement;
      if (changed || old?.value !== field.value || (row.value !== field.value && !choosing)) {
        row.value = field.value;
      }
      row.showSource(field.source, field.evidence, field.confidence);
      row.passage = field.source === "heard" ? (field.passage ?? null) : null;
      const heard = row.source.dataset.source === "heard";
      if (before && heard && old?.value !== field.value) row.flash();
    }
    this.markMissing();
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
    this.markMissing();
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
      if (here) this.rows.get(name)?.showError(has(key) ? t(key) : told(error));
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
