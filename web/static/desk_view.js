// @ts-check
/** Draws the desk's state: each part of the page from it, and nothing else. */

import { ratingChips } from "./after_call.js";
import { mayCallIn } from "./calls.js";
import { showFirstSteps } from "./first_steps.js";
import { showBanners, showHeader, showStateClock } from "./header.js";
import { t } from "./i18n.js";
import { byId, setText } from "./page.js";
import { duePromise, moment } from "./promise.js";
import { shownTicket, urgencyOf } from "./state.js";
import { mayCall } from "./today.js";
import { clock } from "./transcript.js";

/** @typedef {import("./desk.js").Desk} Desk */

export class View {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.saveState = "";
  }

  tick() {
    const now = Date.now() / 1000 + this.desk.state.ahead;
    const { presence } = this.desk.state;
    showStateClock(this.desk.state, now);
    this.desk.calls.tick(this.desk.state, now);
    const ends = presence?.state === "wrap_up" ? presence.wrap_up_until : null;
    this.remind(now);
    byId("wrap-up").hidden = ends === null;
    setText(byId("wrap-up-clock"), ends === null ? "" : clock(Math.ceil(ends - now)));
  }

  /** @param {number} now Unix seconds of the server */
  remind(now) {
    const { agent, callBacks, connected } = this.desk.state;
    const due = connected ? duePromise(callBacks, agent?.id ?? "", now) : undefined;
    byId("promise-due").hidden = !due;
    byId("promise-due").dataset.entry = String(due?.id ?? "");
    if (!due) return;
    const what = { number: due.number, at: moment(due.due_at), note: due.note ?? "" };
    setText(byId("promise-due-text"), t("promise_due", what));
    /** @type {HTMLButtonElement} */ (byId("promise-due-call")).disabled = !mayCall(this.desk.state);
  }

  draw() {
    if (byId("desk").hidden) return;
    showHeader(this.desk.state);
    showBanners(this.desk.state);
    this.desk.calls.show(this.desk.state, this.desk.phone.isRinging());
    showFirstSteps(this.desk.state, this.desk.phone.isOffered());
    const { call, connected } = this.desk.state;
    this.desk.draft.keepTo(call?.call_id);
    this.desk.directory.show(connected && mayCallIn(call));
    this.drawTranscript();
    this.drawTicket();
    this.drawHelp();
    this.desk.today.show(this.desk.state);
    this.tick();
  }

  drawTranscript() {
    const { opened, ticket, finals, gaps, partials, recorded } = this.desk.state;
    const shown = opened ?? { finals, gaps };
    const ended = recorded?.call_id === ticket?.call_id ? recorded : null;
    const kept = opened ? { ...opened, call_id: opened.ticket.call_id ?? "" } : ended;
    const callId = kept?.recording ? kept.call_id : "";
    const urgent = urgencyOf(shownTicket(this.desk.state))?.words ?? [];
    this.desk.transcript.show(shown.finals, shown.gaps, opened ? {} : partials, urgent, Boolean(callId));
    setText(byId("transcript-heading"), t(opened ? "transcript_past" : "transcript"));
    byId("ladder").hidden = !this.ladderOf();
    this.desk.recording.show(callId, callId ? kept?.recordings : []);
  }

  /** @param {{start: number}} passage what is played are the words that a field was read from */
  play(passage) {
    if (!this.desk.recording.callId) return; // it is there when the call is over
    this.desk.attempt(() => this.desk.recording.play(passage.start));
  }

  drawTicket() {
    const { agent, call, presence, connected, opened } = this.desk.state;
    const ticket = shownTicket(this.desk.state);
    const mine = ticket?.agent_id === agent?.id;
    this.desk.form.show(ticket, mine);
    byId("ticket-none").hidden = Boolean(ticket);
    setText(byId("ticket-id"), ticket?.id ?? "");
    byId("back").hidden = !opened;
    const status = byId("ticket-status");
    setText(status, ticket ? t(`ticket.${ticket.status}`) : "");
    status.dataset.status = ticket?.status ?? "";
    const draft = ticket?.status === "draft";
    const live = call?.state === "talking" && call.ticket_id === ticket?.id;
    byId("ticket-actions").hidden = !ticket;
    const submit = /** @type {HTMLButtonElement} */ (byId("submit"));
    submit.disabled = !draft || !mine || live || !connected;
    submit.hidden = Boolean(ticket) && !draft;
    this.desk.steps.show(ticket, mine && connected);
    const callId = live ? "" : (ticket?.call_id ?? "");
    this.desk.after.show(callId, agent?.id ?? "", mine && connected, opened?.dispositions ?? []);
    this.desk.promise.show(mine && connected ? (ticket?.id ?? "") : "");
    this.showRatings(ticket?.call_id ?? "");
    const next = mine ? "submitted_next" : "submitted";
    const done = ticket?.status === "submitted" ? t(next) : "";
    setText(byId("submit-hint"), live ? t("submit_after_call") : done);
    byId("end-wrap-up").hidden = presence?.state !== "wrap_up";
    const extended = presence?.since === this.desk.buttons.extended;
    byId("extend-wrap-up").hidden = presence?.state !== "wrap_up" || extended;
  }

  /** @param {string} callId of the shown ticket */
  showRatings(callId) {
    const { opened, calls } = this.desk.state;
    const listed = calls.find((call) => call.call_id === callId)?.ratings;
    byId("ratings").replaceChildren(...ratingChips(opened?.ratings ?? listed ?? []));
  }

  /** @returns {string} the call whose SIP messages an administrator may see, "" if there is none */
  ladderOf() {
    if (this.desk.state.agent?.role !== "admin") return "";
    return shownTicket(this.desk.state)?.call_id ?? this.desk.state.call?.call_id ?? "";
  }

  drawHelp() {
    const { help, opened, ticket, connected } = this.desk.state;
    const shown = opened ? null : help;
    setText(byId("help-topic"), shown?.topic ?? "");
    byId("help-topic").hidden = !shown?.topic;
    this.desk.help.show(shown, ticket?.status === "draft" && connected);
  }

  /** @param {string[]} names the fields that are still to be filled */
  showMissing(names) {
    const button = byId("missing");
    button.hidden = !names.length;
    const fields = names.map((name) => t(`field.${name}`)).join(t("comma"));
    setText(button, t("missing_fields", { count: names.length }));
    button.title = fields;
  }

  /** @param {string} key */
  showSaveState(key) {
    const element = byId("save-state");
    this.saveState = key;
    element.dataset.level = key;
    setText(element, key ? t(key) : "");
  }
}
