// @ts-check
/** What the desk's buttons do: each asks the server, which tells by the feed what became of it. */

import { api } from "./api.js";
import { t } from "./i18n.js";
import { byId, setText } from "./page.js";
import { moment } from "./promise.js";
import { shownTicket } from "./state.js";

/** @typedef {import("./desk.js").Desk} Desk */

export class Buttons {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.extended = 0; // when the wrap-up began that was put off
  }

  wire() {
    const on = (/** @type {string} */ id, /** @type {() => Promise<unknown>} */ action) =>
      byId(id).addEventListener("click", () => this.desk.attempt(action));
    on("ready", async () => this.desk.setPresence(await api.ready()));
    for (const item of document.querySelectorAll("[data-reason]")) {
      const { reason = "other" } = /** @type {HTMLElement} */ (item).dataset;
      item.addEventListener("click", () => this.beNotReady(reason));
    }
    byId("busy").addEventListener("toggle", () => {
      if (byId("busy").hasAttribute("open")) this.desk.attempt(() => this.desk.fetches.breaks());
    });
    document.addEventListener("click", ({ target }) => {
      const menu = byId("busy");
      if (target instanceof Node && !menu.contains(target)) menu.removeAttribute("open");
    });
    on("missing", async () => this.desk.form.focusMissing());
    on("end-wrap-up", async () => {
      await this.desk.form.send();
      this.desk.setPresence(await api.endWrapUp());
    });
    on("extend-wrap-up", async () => {
      const presence = await api.extendWrapUp();
      this.extended = presence.since; // there is one extension
      this.desk.setPresence(presence);
    });
    on("ladder", async () => {
      const call = this.desk.view.ladderOf();
      if (!call) return;
      setText(byId("ladder-text"), await api.ladder(call));
      /** @type {HTMLDialogElement} */ (byId("ladder-dialog")).showModal();
    });
    on("promise-due-call", () => this.callBack(Number(byId("promise-due").dataset.entry)));
    on("submit", () => this.submit());
    on("back", async () => this.desk.dispatch({ event: "back" }));
    on("sign-out", async () => {
      await this.desk.form.send();
      await api.signOut();
      this.desk.onSignedOut();
    });
    byId("ticket-form").addEventListener("keydown", (event) => {
      const submit = /** @type {HTMLButtonElement} */ (byId("submit"));
      if (event.ctrlKey && event.key === "Enter" && !submit.disabled) submit.click();
    });
  }

  /** @returns {import("./calls.js").Acts} */
  callActs() {
    const to = (/** @type {() => Promise<unknown>} */ action) => void this.desk.attempt(action);
    return {
      answer: ({ call_id: id }) => {
        const { phone } = this.desk;
        if (phone.isRinging()) phone.answer();
        else to(() => api.answer(id));
      },
      hangUp: ({ call_id: id }) => to(() => api.hangUp(id)),
      hold: ({ call_id: id }, held) => to(() => api.hold(id, held)),
      mute: ({ call_id: id }, muted) => to(() => api.mute(id, muted)),
      press: ({ call_id: id }, keys) => to(() => api.press(id, keys)),
      pause: ({ call_id: id }, paused) =>
        to(async () => {
          await api.pauseRecording(id, paused);
          this.desk.dispatch({ event: "paused", call_id: id, paused });
        }),
      step: ({ call_id: id }, step) => to(() => api.transferStep(id, step)),
      drop: ({ call_id: id }, party) => to(() => api.drop(id, party)),
      oneKey: ({ call_id: id }, partner) => to(() => api.oneKey(id, partner)),
      directory: () => {
        if (this.desk.directory.isOpen) this.desk.directory.close();
        else to(() => this.desk.directory.open());
      },
      nameOf: (target) => this.desk.directory.nameOf(target),
    };
  }

  /** @param {string} target @param {import("./directory.js").Mode} mode */
  transfer(target, mode) {
    const { call } = this.desk.state;
    if (!call) return;
    this.desk.attempt(async () => {
      await api.transfer(call.call_id, target, mode);
      this.desk.directory.close();
    });
  }

  async submit() {
    const ticket = shownTicket(this.desk.state);
    if (!ticket || !(await this.desk.form.flush())) return;
    this.desk.dispatch({ event: "submitted", ticket: await api.submit(ticket.id) });
  }

  /** @param {import("./help.js").Entry} entry */
  async quote(entry) {
    const { ticket } = this.desk.state;
    if (!ticket || !(await this.desk.form.flush())) return;
    const changed = await api.quote(ticket.id, { entry_id: entry.id, version: entry.version });
    this.desk.dispatch({ event: "corrected", ticket: changed });
  }

  /**
   * @param {import("./inbox.js").Handover} one
   * @param {import("./inbox.js").Way} way
   * @param {string} reason
   */
  async exchange(one, way, reason) {
    if (way === "reopen") await api.takeUpAgain(one.id, reason);
    else await api.decide(one.id, way === "accept", reason);
    this.desk.note("good", t(`inbox_done_${way}`), "inbox-done");
    await Promise.all([this.desk.fetches.inbox(), this.desk.fetches.list()]);
    return true;
  }

  /** @param {number} entry of the call-back list */
  async callBack(entry) {
    await api.callBack(entry);
    this.desk.note("good", t("called_back"), "called-back");
    await this.desk.fetches.callBacks();
    this.desk.fetches.followOutbound();
  }

  /** @param {string} ticketId @param {number} dueAt Unix seconds @param {string} note */
  async promise(ticketId, dueAt, note) {
    await this.desk.form.send(); // the number that he has just corrected
    const entry = await api.promise(ticketId, dueAt, note);
    const what = { number: entry.number, at: moment(entry.due_at) };
    this.desk.note("good", t("promised", what), "promised");
    await this.desk.fetches.callBacks();
    return true;
  }

  /** @param {string} ticketId @param {{action: string, note: string, unit: string | null}} step */
  async takeStep(ticketId, step) {
    this.desk.dispatch({ event: "submitted", ticket: await api.step(ticketId, step) });
  }

  /** @param {string} reason */
  beNotReady(reason) {
    byId("busy").removeAttribute("open");
    this.desk.attempt(async () => this.desk.setPresence(await api.notReady(reason)));
  }
}
