// @ts-check
/** The agent's desk: keeps the state, and passes what happens to whoever draws, asks and acts. */

import { AfterCall } from "./after_call.js";
import { api, ApiError } from "./api.js";
import { CallPanel } from "./calls.js";
import { Buttons } from "./desk_buttons.js";
import { Fetches } from "./desk_fetches.js";
import { View } from "./desk_view.js";
import { Directory } from "./directory.js";
import { Feed } from "./feed.js";
import { HelpPanel } from "./help.js";
import { Inbox } from "./inbox.js";
import { has, t, told } from "./i18n.js";
import { byId, make } from "./page.js";
import { PartnerDraft } from "./partner_draft.js";
import { CallPromise } from "./promise.js";
import * as reasons from "./reasons.js";
import { Recording } from "./recording.js";
import { Shortcuts } from "./shortcuts.js";
import { Steps } from "./steps.js";
import { initialState, reduce } from "./state.js";
import { TicketForm } from "./ticket_form.js";
import { Today } from "./today.js";
import { Transcript } from "./transcript.js";
import { watermark } from "./watermark.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Ticket} Ticket */

/**
 * @typedef {object} PagePhone what the desk wants of the page's own phone
 * @property {() => boolean} isRinging
 * @property {() => void} answer
 * @property {() => boolean} isOffered it could be turned on, and is not
 */

const LIST_CHANGED_BY = ["snapshot", "call.answered", "call.ended", "ticket.submitted"];

const NOTE_MS = 6000;
const CALL_BACKS_MS = 10_000;
/** Every so many of these times the partners' tickets are asked for as well. */
const INBOX_TURNS = 6;

const unixNow = () => Date.now() / 1000;

export class Desk {
  /** @param {{onSignedOut: () => void, phone: PagePhone}} hooks */
  constructor({ onSignedOut, phone }) {
    this.onSignedOut = onSignedOut;
    this.phone = phone;
    this.state = initialState();
    this.drawing = false;
    this.ticking = 0;
    this.asking = 0;
    this.asked = 0;
    this.fetches = new Fetches(this);
    this.view = new View(this);
    this.buttons = new Buttons(this);
    this.transcript = new Transcript(byId("transcript"), (passage) => this.view.play(passage));
    this.recording = new Recording(/** @type {HTMLAudioElement} */ (byId("recording")));
    this.form = new TicketForm(/** @type {HTMLFormElement} */ (byId("ticket-form")), {
      save: (ticketId, fields) => api.correct(ticketId, fields),
      onSaved: (ticket) => this.dispatch({ event: "corrected", ticket }),
      onStatus: (key) => this.view.showSaveState(key),
      onPlay: (passage) => this.view.play(passage),
      onMissing: (names) => this.view.showMissing(names),
      findCategories: async (typed) => (await this.attempt(() => api.findCategories(typed))) ?? [],
      findPlaces: async (typed) => (await this.attempt(() => api.places(typed))) ?? [],
    });
    this.directory = new Directory({
      find: async (typed) => (await this.attempt(() => api.directory(typed))) ?? [],
      call: (target, mode) => this.buttons.transfer(target, mode),
    });
    this.calls = new CallPanel(this.buttons.callActs());
    this.inbox = new Inbox({
      act: async (one, way, reason) =>
        Boolean(await this.attempt(() => this.buttons.exchange(one, way, reason))),
      open: (ticketId) => this.attempt(() => this.fetches.open(ticketId)),
      nameOf: (target) => this.directory.nameOf(target),
    });
    this.today = new Today({
      inbox: this.inbox,
      opened: (tab) => tab === "inbox" && this.attempt(() => this.fetches.inbox()),
      open: (ticketId) => this.attempt(() => this.fetches.open(ticketId)),
      nameOf: (target) => this.directory.nameOf(target),
      callBack: (entry) => this.attempt(() => this.buttons.callBack(entry.id)),
      closeCallBack: (entry, outcome) =>
        this.attempt(async () => {
          await api.closeCallBack(entry.id, outcome);
          /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
          await this.fetches.callBacks();
        }),
    });
    this.after = new AfterCall({
      choose: (callId, code) => this.attempt(() => api.dispose(callId, code)),
    });
    this.promise = new CallPromise({
      make: async (ticketId, dueAt, note) =>
        Boolean(await this.attempt(() => this.buttons.promise(ticketId, dueAt, note))),
    });
    this.draft = new PartnerDraft({ take: (fields) => this.form.fillEmpty(fields) });
    this.shortcuts = new Shortcuts();
    this.help = new HelpPanel({ onQuote: (entry) => this.attempt(() => this.buttons.quote(entry)) });
    this.steps = new Steps({
      take: (ticketId, step) => this.attempt(() => this.buttons.takeStep(ticketId, step)),
    });
    this.feed = new Feed({
      onEvent: (event) => this.onEvent(event),
      onLost: () => this.dispatch({ event: "lost" }),
      stillSignedIn: () => this.stillSignedIn(),
    });
    this.buttons.wire();
    window.addEventListener("hashchange", () => this.fetches.openLinked());
    window.addEventListener("beforeunload", (event) => {
      if (this.form.unsaved) event.preventDefault();
    });
  }

  show() {
    byId("desk").hidden = false;
    this.feed.open();
    this.ticking = setInterval(() => this.view.tick(), 500);
    this.asking = setInterval(() => this.askAgain(), CALL_BACKS_MS);
    this.view.draw();
  }

  hide() {
    this.directory.close();
    this.feed.close();
    clearInterval(this.ticking);
    clearInterval(this.asking);
    this.fetches.close();
    this.state = initialState();
    this.view.draw(); // leaves nothing of a citizen's in the page
    byId("desk").hidden = true;
  }

  translate() {
    this.form.translate();
    this.drawReasons();
    this.view.showSaveState(this.view.saveState);
    this.view.draw();
  }

  // -- what happens -------------------------------------------------------------------------

  /** @param {any} event from the feed */
  onEvent(event) {
    this.dispatch(event);
    // A leader's desk is told of all calls: it doesn't ask for its lists with each that was lost.
    const own = event.event === "snapshot" || event.agent_id === this.state.agent?.id;
    if (LIST_CHANGED_BY.includes(event.event) && own) {
      this.attempt(() => this.fetches.list());
      watermark(byId("ticket-card"), this.state.agent?.id ?? "");
    }
    if (event.event === "snapshot") {
      this.form.send(); // what was typed while it was away
      this.fetches.openLinked();
      this.attempt(() => this.directory.learn().then(() => this.view.draw()));
      this.attempt(() => this.fetches.learn());
      const { call } = this.state;
      if (call) this.fetches.history(call.call_id);
      if (call?.state === "talking") this.fetches.draft(call);
      if (call?.state === "talking") {
        this.attempt(async () =>
          this.dispatch({ event: "help", help: await api.help(call.call_id) }),
        );
      }
    }
    if (event.event === "exchange.ticket") this.attempt(() => this.fetches.inbox());
    if (event.event === "callback.changed") this.attempt(() => this.fetches.callBacks());
    if (event.agent_id !== this.state.agent?.id) return;
    if (event.event === "agent.presence" && event.state === "wrap_up") {
      this.attempt(async () => this.setPresence((await api.me()).presence)); // tells until when
    }
    if (event.event === "agent.presence" && event.state === "ringing") this.fetches.ringing();
    if (event.event === "call.offered") this.fetches.history(event.call_id);
    if (event.event === "call.ended") this.attempt(() => this.fetches.recorded(event.call_id));
    if (event.event === "call.transfer") this.fetches.onTransfer(event);
    if (event.event === "call.answered") {
      this.fetches.history(event.call_id);
      this.fetches.draft(event);
      this.attempt(async () => {
        this.dispatch({ event: "filled", ticket: await api.ticket(event.ticket_id) });
      });
    }
  }

  /** @param {any} event */
  dispatch(event) {
    this.state = reduce(this.state, event, unixNow());
    if (this.drawing) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      this.view.draw();
    });
  }

  /**
   * Does something that may be refused, and says so when it is.
   * @template Result
   * @param {() => Promise<Result>} action
   * @returns {Promise<Result | undefined>} undefined when it was refused
   */
  async attempt(action) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) this.onSignedOut();
      else this.say(error);
    }
    return undefined;
  }

  /** @param {ApiError} error */
  say(error) {
    const key = `error.${error.code}`;
    const text = has(key) ? t(key) : t("error.other", { message: told(error) });
    this.note("bad", text, "banner-error");
  }

  /** @param {"bad" | "good"} level @param {string} text @param {string} testid */
  note(level, text, testid) {
    const note = make("p", `note-passing ${level}`, text, testid);
    byId("notes").append(note);
    setTimeout(() => note.remove(), NOTE_MS);
  }

  drawReasons() {
    reasons.drawMenu(byId("reasons"), (reason) => this.buttons.beNotReady(reason));
  }

  /** What no event tells an agent of: entries and tickets that are nobody's yet. */
  askAgain() {
    if (!this.state.connected) return;
    this.asked += 1;
    this.attempt(() => this.fetches.callBacks());
    if (this.asked % INBOX_TURNS === 0) this.attempt(() => this.fetches.inbox());
  }

  async stillSignedIn() {
    try {
      await api.me();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.onSignedOut();
        return false;
      }
    }
    return true; // or the server cannot be reached: try on
  }

  /** @param {any} presence */
  setPresence(presence) {
    this.dispatch({ event: "presence", presence });
  }
}
