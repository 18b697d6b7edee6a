// @ts-check
/** What an agent does with a submitted ticket: answer it on line, or pass it on to a unit. */

import { t } from "./i18n.js";
import { byId, setText } from "./page.js";

/** @typedef {import("./state.js").Ticket} Ticket */

const OPEN = ["submitted", "returned"];

export class Steps {
  /** @param {{take: (ticketId: string, step: {action: string, note: string, unit: string | null}) => Promise<unknown>}} hooks */
  constructor({ take }) {
    this.take = take;
    this.ticketId = "";
    this.action = "";
    this.dialog = /** @type {HTMLDialogElement} */ (byId("step-dialog"));
    this.note = /** @type {HTMLTextAreaElement} */ (byId("step-note"));
    this.unit = /** @type {HTMLInputElement} */ (byId("step-unit"));
    byId("answer-on-line").addEventListener("click", () => this.ask("answer"));
    byId("pass-on").addEventListener("click", () => this.ask("pass_on"));
    byId("step-cancel").addEventListener("click", () => this.dialog.close());
    byId("step-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  /** @param {Ticket | null} ticket @param {boolean} mayAct */
  show(ticket, mayAct) {
    const open = Boolean(ticket && OPEN.includes(ticket.status) && mayAct);
    if (!open && this.dialog.open) this.dialog.close();
    this.ticketId = ticket?.id ?? "";
    byId("answer-on-line").hidden = !open;
    byId("pass-on").hidden = !open;
  }

  /** @param {string} action */
  ask(action) {
    this.action = action;
    const passing = action === "pass_on";
    setText(byId("step-title"), t(`step.${action}`));
    setText(byId("step-note-label"), t(passing ? "step_remark" : "step_answer"));
    byId("step-unit-row").hidden = !passing;
    this.unit.required = passing;
    this.note.required = !passing;
    this.note.value = "";
    this.unit.value = "";
    this.dialog.showModal();
    (passing ? this.unit : this.note).focus();
  }

  async send() {
    const unit = this.action === "pass_on" ? this.unit.value.trim() : null;
    await this.take(this.ticketId, { action: this.action, note: this.note.value.trim(), unit });
    this.dialog.close();
  }
}
