// @ts-check
/** A call-back at a time: the agent promises the ticket's citizen a call; a reminder comes when it is due. */

import { t } from "./i18n.js";
import { byId, setText } from "./page.js";

/** @typedef {import("./call_back_list.js").Entry} Entry */

const STEP_MS = 5 * 60_000;
const MORNING = 9;

/**
 * Moments that are chosen by one click, from now.
 * @type {Record<string, (now: Date) => Date>}
 */
const QUICK = {
  half_hour: (now) => new Date(now.getTime() + 30 * 60_000),
  two_hours: (now) => new Date(now.getTime() + 120 * 60_000),
  tomorrow: (now) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, MORNING),
};

/** @param {Date} at @returns {string} as `datetime-local` wants it */
const local = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** @param {number} at Unix seconds @param {Date} [now] @returns {string} the time, with the day unless it is today */
export function moment(at, now = new Date()) {
  const date = new Date(at * 1000);
  const time = date.toTimeString().slice(0, 5);
  const today = date.toDateString() === now.toDateString();
  return today ? time : `${date.getMonth() + 1}-${String(date.getDate()).padStart(2, "0")} ${time}`;
}

/**
 * @param {Entry[]} entries
 * @param {string} agentId
 * @param {number} now Unix seconds
 * @returns {Entry | undefined} what this agent has promised and should do now
 */
export function duePromise(entries, agentId, now) {
  return entries.find(
    (entry) =>
      entry.reason === "scheduled" && entry.status === "open" && entry.agent_id === agentId && entry.due_at <= now,
  );
}

export class CallPromise {
  /**
   * @param {object} hooks
   * @param {(ticketId: string, dueAt: number, note: string) => Promise<boolean>} hooks.make whether it was taken
   */
  constructor({ make }) {
    this.make = make;
    this.ticketId = "";
    this.hours = "";
    this.dialog = /** @type {HTMLDialogElement} */ (byId("promise-dialog"));
    this.at = /** @type {HTMLInputElement} */ (byId("promise-at"));
    this.note = /** @type {HTMLInputElement} */ (byId("promise-note"));
    byId("promise").addEventListener("click", () => this.open());
    byId("promise-cancel").addEventListener("click", () => this.dialog.close());
    for (const [name, choose] of Object.entries(QUICK)) {
      byId(`promise-${name}`).addEventListener("click", () => this.choose(choose(new Date())));
    }
    this.at.addEventListener("input", () => this.check());
    byId("promise-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
  }

  /** @param {string} hours the city's, as "08:30-20:00" */
  learn(hours) {
    this.hours = hours;
  }

  /** @param {string} ticketId of the ticket in the form, "" if nothing can be promised for it */
  show(ticketId) {
    byId("promise").hidden = !ticketId;
    if (ticketId !== this.ticketId && this.dialog.open) this.dialog.close();
    this.ticketId = ticketId;
  }

  open() {
    const now = Date.now();
    this.note.value = "";
    this.at.min = local(new Date(now));
    this.choose(new Date(Math.ceil((now + 60 * 60_000) / STEP_MS) * STEP_MS));
    this.dialog.showModal();
    this.at.focus();
  }

  /** @param {Date} at */
  choose(at) {
    this.at.value = local(at);
    this.check();
  }

  /** Says what is wrong with the time, or that it lies outside the city's hours, which may be wanted. */
  check() {
    const at = new Date(this.at.value);
    const past = !(at.getTime() > Date.now());
    this.at.setCustomValidity(past ? t("error.bad_time") : "");
    const [opens, closes] = this.hours.split("-");
    const minute = this.at.value.slice(11);
    const outside = Boolean(closes) && opens <= closes && (minute < opens || minute >= closes);
    const hint = outside ? t("promise_outside", { hours: this.hours }) : "";
    setText(byId("promise-hint"), past ? t("error.bad_time") : hint);
  }

  async send() {
    const dueAt = new Date(this.at.value).getTime() / 1000;
    if (await this.make(this.ticketId, dueAt, this.note.value.trim())) this.dialog.close();
  }
}
