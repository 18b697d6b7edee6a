// @ts-check
/** What the desk asks the server for: lists, histories, the city's choices, tickets to be opened. */

import { api, ApiError } from "./api.js";
import { t } from "./i18n.js";
import * as reasons from "./reasons.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./state.js").Ticket} Ticket */

const OUTBOUND_MS = 1000;
/** How often a call that does not come about is looked for. */
const OUTBOUND_LOOKS = 60;
/** Whose matter the call-back list is. */
const CALLERS = ["agent", "supervisor", "admin"];

/** Of a ticket that came from a partner: its transcript and its record. @type {[any[], any]} */
const NO_CALL = [[], { gaps: [], recording: false, recordings: [], ratings: [], dispositions: [] }];

/** @param {unknown} error of asking for something that may be over, or never have been */
function gone(error) {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}

export class Fetches {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.following = 0;
    this.turns = 0;
  }

  /** Asks for nothing more by itself. */
  close() {
    clearInterval(this.following);
  }

  /** His phone rings by now, and has said whether it can be told to answer. */
  ringing() {
    const { call } = this.desk.state;
    if (call) this.desk.attempt(() => this.live(call.call_id));
  }

  /**
   * Asks how a call stands. What was told of it meanwhile the answer may not know: then again.
   * @param {string} callId
   */
  async live(callId) {
    for (;;) {
      const known = this.desk.state.call;
      /** @type {{call_id: string}[]} */
      const calls = await api.live();
      const call = calls.find(({ call_id: id }) => id === callId);
      if (!call || this.desk.state.call?.call_id !== callId) return;
      if (this.desk.state.call === known) return this.desk.dispatch({ event: "live", call });
    }
  }

  /** @param {string} callId */
  history(callId) {
    this.desk.attempt(async () => {
      const tickets = (await api.callersHistory(callId).catch(gone)) ?? [];
      this.desk.dispatch({ event: "history", call_id: callId, tickets });
    });
  }

  /** @param {{call_id: string, partner?: string | null, reference?: string | null}} call */
  draft({ call_id: callId, partner, reference }) {
    if (!partner || !reference) return;
    this.desk.attempt(async () => {
      const draft = await api.partnerDraft(callId).catch(gone);
      if (this.desk.state.call?.call_id === callId) this.desk.draft.show(callId, draft);
    });
  }

  /** What the city has set: asked for whenever the page has been away. */
  async learn() {
    const [known, dispositions] = await Promise.all([api.reasons(), api.dispositions()]);
    reasons.learn(known);
    this.desk.drawReasons();
    this.desk.after.learn(dispositions);
    await this.callBackHours();
    await this.callBacks();
    await this.inbox();
    this.desk.view.draw();
  }

  /** What is left of the day's breaks; asked for when the menu is opened. */
  async breaks() {
    reasons.learnUsed(await api.breaks());
    this.desk.drawReasons();
  }

  async inbox() {
    if (!CALLERS.includes(this.desk.state.agent?.role ?? "")) return;
    this.desk.dispatch({ event: "inbox", handovers: await api.inbox() });
  }

  async callBackHours() {
    if (!CALLERS.includes(this.desk.state.agent?.role ?? "")) return;
    this.desk.promise.learn((await api.callBackHours()).hours);
  }

  async callBacks() {
    if (!CALLERS.includes(this.desk.state.agent?.role ?? "")) return;
    const [calling, open] = await Promise.all([api.callBacks("calling"), api.callBacks("open")]);
    this.desk.dispatch({ event: "call-backs", entries: [...calling.items, ...open.items] });
  }

  /** Shows the call that the agent makes himself, from its first moment to its last. */
  followOutbound() {
    let [id, looks] = ["", 0];
    const look = async () => {
      /** @type {any[]} */
      const calls = await api.live();
      const me = this.desk.state.agent?.id;
      const call = calls.find((one) => one.direction === "outbound" && one.agent_id === me);
      looks += 1;
      if (call) this.desk.dispatch({ event: "outbound", call });
      if (!call && id) this.desk.dispatch({ event: "outbound-over", call_id: id });
      if (!call && (id || looks > OUTBOUND_LOOKS)) clearInterval(this.following);
      id = call?.call_id ?? "";
    };
    clearInterval(this.following);
    this.following = setInterval(() => this.desk.state.connected && this.desk.attempt(look), OUTBOUND_MS);
  }

  async list() {
    this.turns += 1;
    const turn = this.turns;
    const [{ items }, calls] = await Promise.all([api.tickets(), api.calls()]);
    if (turn !== this.turns) return; // a newer list is on its way, or here
    const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
    const today = calls.items.filter(
      (/** @type {{arrived_at: number}} */ call) => call.arrived_at >= midnight,
    );
    this.desk.dispatch({ event: "calls", calls: today });
    const tickets = items.filter(
      (/** @type {Ticket} */ ticket) =>
        (ticket.created_at ?? 0) >= midnight || ticket.status === "draft",
    );
    this.desk.dispatch({ event: "tickets", tickets });
  }

  /** @param {string} ticketId */
  async open(ticketId) {
    if (ticketId === this.desk.state.ticket?.id) {
      this.desk.dispatch({ event: "back" });
      return;
    }
    const ticket = await api.ticket(ticketId);
    const { call_id: callId } = ticket;
    const [finals, call] = callId ? await Promise.all([api.transcript(callId), api.call(callId)]) : NO_CALL;
    const { gaps, recording, recordings, ratings, dispositions } = call;
    const opened = { ticket, finals, gaps, recording, recordings, ratings, dispositions };
    this.desk.dispatch({ event: "open", opened });
  }

  /** @param {string} callId a call that is over: what its ticket was read from can be heard now */
  async recorded(callId) {
    const { call_id, recording, recordings } = await api.call(callId);
    this.desk.dispatch({ event: "recorded", recorded: { call_id, recording, recordings } });
  }

  /** Opens the ticket that the address names (/#/tickets/ID), once. */
  openLinked() {
    const [, ticketId] = location.hash.match(/^#\/tickets\/([\w.:-]+)$/) ?? [];
    if (!ticketId || !this.desk.state.agent) return;
    history.replaceState(null, "", location.pathname);
    this.desk.attempt(() => this.open(ticketId));
  }

  /** @param {any} event how a transfer goes: its end is told in words */
  onTransfer({ call_id: callId, stage, target, outcome }) {
    if (["merged", "joined", "left", "cancelled"].includes(stage)) {
      this.desk.attempt(() => this.live(callId));
    }
    const to = this.desk.directory.nameOf(target);
    const why = outcome ? t(`outcome.${outcome}`) : "";
    if (stage === "failed") this.desk.note("bad", t("transfer_failed", { to, why }), "transfer-failed");
    if (stage === "completed") this.desk.note("good", t("transfer_done", { to }), "transfer-done");
  }
}
