// @ts-check
/** The agent's desk: keeps the state, draws it, and does what the buttons say. */

import { AfterCall, ratingChips } from "./after_call.js";
import { api, ApiError } from "./api.js";
import { CallPanel, mayCallIn } from "./calls.js";
import { Directory } from "./directory.js";
import { Feed } from "./feed.js";
import { showBanners, showHeader, showStateClock } from "./header.js";
import { HelpPanel } from "./help.js";
import { has, t } from "./i18n.js";
import { byId, make, setText } from "./page.js";
import { PartnerDraft } from "./partner_draft.js";
import * as reasons from "./reasons.js";
import { Shortcuts } from "./shortcuts.js";
import { Steps } from "./steps.js";
import { initialState, reduce, shownTicket, urgencyOf } from "./state.js";
import { TicketForm } from "./ticket_form.js";
import { Today } from "./today.js";
import { clock, Transcript } from "./transcript.js";
import { watermark } from "./watermark.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Ticket} Ticket */

const LIST_CHANGED_BY = ["snapshot", "call.answered", "call.ended", "ticket.submitted"];

const NOTE_MS = 6000;
const CALL_BACKS_MS = 10_000;
const OUTBOUND_MS = 1000;
/** How often a call that does not come about is looked for. */
const OUTBOUND_LOOKS = 60;
/** Whose matter the call-back list is. */
const CALLERS = ["agent", "supervisor", "admin"];

/** @param {unknown} error of asking for something that may be over, or never have been */
function gone(error) {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}

const unixNow = () => Date.now() / 1000;

export class Desk {
  /** @param {{onSignedOut: () => void}} hooks */
  constructor({ onSignedOut }) {
    this.onSignedOut = onSignedOut;
    this.state = initialState();
    this.drawing = false;
    this.ticking = 0;
    this.asking = 0;
    this.following = 0;
    this.fetches = 0;
    this.extended = 0; // when the wrap-up began that was put off
    this.saveState = "";
    this.transcript = new Transcript(byId("transcript"), (passage) => this.play(passage));
    this.recording = /** @type {HTMLAudioElement} */ (byId("recording"));
    this.form = new TicketForm(/** @type {HTMLFormElement} */ (byId("ticket-form")), {
      save: (ticketId, fields) => api.correct(ticketId, fields),
      onSaved: (ticket) => this.dispatch({ event: "corrected", ticket }),
      onStatus: (key) => this.showSaveState(key),
      onPlay: (passage) => this.play(passage),
      onMissing: (names) => this.showMissing(names),
      findCategories: async (typed) => (await this.attempt(() => api.findCategories(typed))) ?? [],
      findPlaces: async (typed) => (await this.attempt(() => api.places(typed))) ?? [],
    });
    this.directory = new Directory({
      find: async (typed) => (await this.attempt(() => api.directory(typed))) ?? [],
      call: (target, mode) => this.transfer(target, mode),
    });
    this.calls = new CallPanel(this.callActs());
    this.today = new Today({
      open: (ticketId) => this.attempt(() => this.open(ticketId)),
      nameOf: (target) => this.directory.nameOf(target),
      callBack: (entry) =>
        this.attempt(async () => {
          await api.callBack(entry.id);
          this.note("good", t("called_back"), "called-back");
          await this.fetchCallBacks();
          this.followOutbound();
        }),
      closeCallBack: (entry, outcome) =>
        this.attempt(async () => {
          await api.closeCallBack(entry.id, outcome);
          /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
          await this.fetchCallBacks();
        }),
    });
    this.after = new AfterCall({
      choose: (callId, code) => this.attempt(() => api.dispose(callId, code)),
    });
    this.draft = new PartnerDraft({ take: (fields) => this.form.fillEmpty(fields) });
    this.shortcuts = new Shortcuts();
    this.help = new HelpPanel({ onQuote: (entry) => this.attempt(() => this.quote(entry)) });
    this.steps = new Steps({
      take: (ticketId, step) => this.attempt(() => this.takeStep(ticketId, step)),
    });
    this.feed = new Feed({
      onEvent: (event) => this.onEvent(event),
      onLost: () => this.dispatch({ event: "lost" }),
      stillSignedIn: () => this.stillSignedIn(),
    });
    this.wireButtons();
    window.addEventListener("hashchange", () => this.openLinked());
    window.addEventListener("beforeunload", (event) => {
      if (this.form.unsaved) event.preventDefault();
    });
  }

  show() {
    byId("desk").hidden = false;
    this.feed.open();
    this.ticking = setInterval(() => this.tick(), 500);
    this.asking = setInterval(() => this.state.connected && this.fetchCallBacks(), CALL_BACKS_MS);
    this.draw();
  }

  hide() {
    this.directory.close();
    this.feed.close();
    clearInterval(this.ticking);
    clearInterval(this.asking);
    clearInterval(this.following);
    this.state = initialState();
    this.draw(); // leaves nothing of a citizen's in the page
    byId("desk").hidden = true;
  }

  translate() {
    this.form.translate();
    this.drawReasons();
    this.showSaveState(this.saveState);
    this.draw();
  }

  // -- what happens -------------------------------------------------------------------------

  /** @param {any} event from the feed */
  onEvent(event) {
    this.dispatch(event);
    const others = event.agent_id && event.agent_id !== this.state.agent?.id;
    if (LIST_CHANGED_BY.includes(event.event) && !others) {
      this.attempt(() => this.fetchList());
      watermark(byId("ticket-card"), this.state.agent?.id ?? "");
    }
    if (event.event === "snapshot") {
      this.form.send(); // what was typed while it was away
      this.openLinked();
      this.attempt(() => this.directory.learn().then(() => this.draw()));
      this.attempt(() => this.learn());
      const { call } = this.state;
      if (call) this.fetchHistory(call.call_id);
      if (call?.state === "talking") this.fetchDraft(call);
      if (call?.state === "talking") {
        this.attempt(async () =>
          this.dispatch({ event: "help", help: await api.help(call.call_id) }),
        );
      }
    }
    if (event.event === "callback.changed") this.attempt(() => this.fetchCallBacks());
    if (event.agent_id !== this.state.agent?.id) return;
    if (event.event === "agent.presence" && event.state === "wrap_up") {
      this.attempt(async () => this.setPresence((await api.me()).presence)); // tells until when
    }
    if (event.event === "call.offered") this.fetchHistory(event.call_id);
    if (event.event === "call.transfer") this.onTransfer(event);
    if (event.event === "call.answered") {
      this.fetchHistory(event.call_id);
      this.fetchDraft(event);
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
      this.draw();
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
    const text = has(key) ? t(key) : t("error.other", { message: error.message });
    this.note("bad", text, "banner-error");
  }

  /** @param {"bad" | "good"} level @param {string} text @param {string} testid */
  note(level, text, testid) {
    const note = make("p", `note-passing ${level}`, text, testid);
    byId("notes").append(note);
    setTimeout(() => note.remove(), NOTE_MS);
  }

  /** @param {any} event how a transfer goes: its end is told in words */
  onTransfer({ call_id: callId, stage, target, outcome }) {
    if (["merged", "joined", "left", "cancelled"].includes(stage)) {
      this.attempt(async () => {
        /** @type {{call_id: string}[]} */
        const calls = await api.live();
        const call = calls.find(({ call_id: id }) => id === callId);
        if (call) this.dispatch({ event: "live", call });
      });
    }
    const to = this.directory.nameOf(target);
    const why = outcome ? t(`outcome.${outcome}`) : "";
    if (stage === "failed") this.note("bad", t("transfer_failed", { to, why }), "transfer-failed");
    if (stage === "completed") this.note("good", t("transfer_done", { to }), "transfer-done");
  }

  /** @param {string} callId */
  fetchHistory(callId) {
    this.attempt(async () => {
      const tickets = (await api.callersHistory(callId).catch(gone)) ?? [];
      this.dispatch({ event: "history", call_id: callId, tickets });
    });
  }

  /** @param {{call_id: string, partner?: string | null, reference?: string | null}} call */
  fetchDraft({ call_id: callId, partner, reference }) {
    if (!partner || !reference) return;
    this.attempt(async () => {
      const draft = await api.partnerDraft(callId).catch(gone);
      if (this.state.call?.call_id === callId) this.draft.show(callId, draft);
    });
  }

  /** What the city has set: asked for whenever the page has been away. */
  async learn() {
    const [known, dispositions] = await Promise.all([api.reasons(), api.dispositions()]);
    reasons.learn(known);
    this.drawReasons();
    this.after.learn(dispositions);
    await this.fetchCallBacks();
    this.draw();
  }

  drawReasons() {
    reasons.drawMenu(byId("reasons"), (reason) => this.beNotReady(reason));
  }

  async fetchCallBacks() {
    if (!CALLERS.includes(this.state.agent?.role ?? "")) return;
    const [calling, open] = await Promise.all([api.callBacks("calling"), api.callBacks("open")]);
    this.dispatch({ event: "call-backs", entries: [...calling.items, ...open.items] });
  }

  /** Shows the call that the agent makes himself, from its first moment to its last. */
  followOutbound() {
    let [id, looks] = ["", 0];
    const look = async () => {
      /** @type {any[]} */
      const calls = await api.live();
      const me = this.state.agent?.id;
      const call = calls.find((one) => one.direction === "outbound" && one.agent_id === me);
      looks += 1;
      if (call) this.dispatch({ event: "outbound", call });
      if (!call && id) this.dispatch({ event: "outbound-over", call_id: id });
      if (!call && (id || looks > OUTBOUND_LOOKS)) clearInterval(this.following);
      id = call?.call_id ?? "";
    };
    clearInterval(this.following);
    this.following = setInterval(() => this.state.connected && this.attempt(look), OUTBOUND_MS);
  }

  /** @param {string} reason */
  beNotReady(reason) {
    byId("busy").removeAttribute("open");
    this.attempt(async () => this.setPresence(await api.notReady(reason)));
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

  async fetchList() {
    this.fetches += 1;
    const turn = this.fetches;
    const [{ items }, calls] = await Promise.all([api.tickets(), api.calls()]);
    if (turn !== this.fetches) return; // a newer list is on its way, or here
    const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
    const today = calls.items.filter(
      (/** @type {{arrived_at: number}} */ call) => call.arrived_at >= midnight,
    );
    this.dispatch({ event: "calls", calls: today });
    const tickets = items.filter(
      (/** @type {Ticket} */ ticket) =>
        (ticket.created_at ?? 0) >= midnight || ticket.status === "draft",
    );
    this.dispatch({ event: "tickets", tickets });
  }

  // -- the buttons --------------------------------------------------------------------------

  wireButtons() {
    const on = (/** @type {string} */ id, /** @type {() => Promise<unknown>} */ action) =>
      byId(id).addEventListener("click", () => this.attempt(action));
    on("ready", async () => this.setPresence(await api.ready()));
    for (const item of document.querySelectorAll("[data-reason]")) {
      const { reason = "other" } = /** @type {HTMLElement} */ (item).dataset;
      item.addEventListener("click", () => this.beNotReady(reason));
    }
    document.addEventListener("click", ({ target }) => {
      const menu = byId("busy");
      if (target instanceof Node && !menu.contains(target)) menu.removeAttribute("open");
    });
    on("missing", async () => this.form.focusMissing());
    on("end-wrap-up", async () => {
      await this.form.send();
      this.setPresence(await api.endWrapUp());
    });
    on("extend-wrap-up", async () => {
      const presence = await api.extendWrapUp();
      this.extended = presence.since; // there is one extension
      this.setPresence(presence);
    });
    on("ladder", async () => {
      const call = this.ladderOf();
      if (!call) return;
      setText(byId("ladder-text"), await api.ladder(call));
      /** @type {HTMLDialogElement} */ (byId("ladder-dialog")).showModal();
    });
    on("submit", () => this.submit());
    on("back", async () => this.dispatch({ event: "back" }));
    on("sign-out", async () => {
      await this.form.send();
      await api.signOut();
      this.onSignedOut();
    });
    byId("ticket-form").addEventListener("keydown", (event) => {
      const submit = /** @type {HTMLButtonElement} */ (byId("submit"));
      if (event.ctrlKey && event.key === "Enter" && !submit.disabled) submit.click();
    });
  }

  /** @returns {import("./calls.js").Acts} */
  callActs() {
    const to = (/** @type {() => Promise<unknown>} */ action) => void this.attempt(action);
    return {
      hangUp: ({ call_id: id }) => to(() => api.hangUp(id)),
      hold: ({ call_id: id }, held) => to(() => api.hold(id, held)),
      mute: ({ call_id: id }, muted) => to(() => api.mute(id, muted)),
      press: ({ call_id: id }, keys) => to(() => api.press(id, keys)),
      pause: ({ call_id: id }, paused) =>
        to(async () => {
          await api.pauseRecording(id, paused);
          this.dispatch({ event: "paused", call_id: id, paused });
        }),
      step: ({ call_id: id }, step) => to(() => api.transferStep(id, step)),
      drop: ({ call_id: id }, party) => to(() => api.drop(id, party)),
      oneKey: ({ call_id: id }, partner) => to(() => api.oneKey(id, partner)),
      directory: () => {
        if (this.directory.isOpen) this.directory.close();
        else to(() => this.directory.open());
      },
      nameOf: (target) => this.directory.nameOf(target),
    };
  }

  /** @param {string} target @param {import("./directory.js").Mode} mode */
  transfer(target, mode) {
    const { call } = this.state;
    if (!call) return;
    this.attempt(async () => {
      await api.transfer(call.call_id, target, mode);
      this.directory.close();
    });
  }

  /** @param {any} presence */
  setPresence(presence) {
    this.dispatch({ event: "presence", presence });
  }

  async submit() {
    const ticket = shownTicket(this.state);
    if (!ticket || !(await this.form.flush())) return;
    this.dispatch({ event: "submitted", ticket: await api.submit(ticket.id) });
  }

  /** @param {import("./help.js").Entry} entry */
  async quote(entry) {
    const { ticket } = this.state;
    if (!ticket || !(await this.form.flush())) return;
    const changed = await api.quote(ticket.id, { entry_id: entry.id, version: entry.version });
    this.dispatch({ event: "corrected", ticket: changed });
  }

  /** @param {string} ticketId @param {{action: string, note: string, unit: string | null}} step */
  async takeStep(ticketId, step) {
    this.dispatch({ event: "submitted", ticket: await api.step(ticketId, step) });
  }

  /** @param {string} ticketId */
  async open(ticketId) {
    if (ticketId === this.state.ticket?.id) {
      this.dispatch({ event: "back" });
      return;
    }
    const ticket = await api.ticket(ticketId);
    const [finals, call] = await Promise.all([
      api.transcript(ticket.call_id),
      api.call(ticket.call_id),
    ]);
    const { gaps, recording, ratings, dispositions } = call;
    const opened = { ticket, finals, gaps, recording, ratings, dispositions };
    this.dispatch({ event: "open", opened });
  }

  /** Opens the ticket that the address names (/#/tickets/ID), once. */
  openLinked() {
    const [, ticketId] = location.hash.match(/^#\/tickets\/([\w.:-]+)$/) ?? [];
    if (!ticketId || !this.state.agent) return;
    history.replaceState(null, "", location.pathname);
    this.attempt(() => this.open(ticketId));
  }

  // -- drawing ------------------------------------------------------------------------------

  tick() {
    const now = unixNow() + this.state.ahead;
    const { presence } = this.state;
    showStateClock(this.state, now);
    this.calls.tick(this.state, now);
    const ends = presence?.state === "wrap_up" ? presence.wrap_up_until : null;
    byId("wrap-up").hidden = ends === null;
    setText(byId("wrap-up-clock"), ends === null ? "" : clock(Math.ceil(ends - now)));
  }

  draw() {
    if (byId("desk").hidden) return;
    showHeader(this.state);
    showBanners(this.state);
    this.calls.show(this.state);
    const { call, connected } = this.state;
    this.draft.keepTo(call?.call_id);
    this.directory.show(connected && mayCallIn(call));
    this.drawTranscript();
    this.drawTicket();
    this.drawHelp();
    this.today.show(this.state);
    this.tick();
  }

  drawTranscript() {
    const { opened, finals, gaps, partials } = this.state;
    const shown = opened ?? { finals, gaps };
    const url = opened?.recording ? api.recordingUrl(opened.ticket.call_id ?? "") : "";
    const urgent = urgencyOf(shownTicket(this.state))?.words ?? [];
    this.transcript.show(shown.finals, shown.gaps, opened ? {} : partials, urgent, Boolean(url));
    setText(byId("transcript-heading"), t(opened ? "transcript_past" : "transcript"));
    byId("ladder").hidden = !this.ladderOf();
    this.recording.hidden = !url;
    if (url !== (this.recording.getAttribute("src") ?? "")) {
      if (url) this.recording.src = url;
      else this.recording.removeAttribute("src");
      this.recording.load();
    }
  }

  /** @param {{start: number}} passage what is played are the words that a field was read from */
  play(passage) {
    if (this.recording.hidden) return; // it is there when the call is over
    this.recording.currentTime = passage.start;
    this.attempt(() => this.recording.play());
  }

  drawTicket() {
    const { agent, call, presence, connected, opened } = this.state;
    const ticket = shownTicket(this.state);
    const mine = ticket?.agent_id === agent?.id;
    this.form.show(ticket, mine);
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
    this.steps.show(ticket, mine && connected);
    const callId = live ? "" : (ticket?.call_id ?? "");
    this.after.show(callId, agent?.id ?? "", mine && connected, opened?.dispositions ?? []);
    this.showRatings(ticket?.call_id ?? "");
    const done = ticket?.status === "submitted" ? t("submitted") : "";
    setText(byId("submit-hint"), live ? t("submit_after_call") : done);
    byId("end-wrap-up").hidden = presence?.state !== "wrap_up";
    const extended = presence?.since === this.extended;
    byId("extend-wrap-up").hidden = presence?.state !== "wrap_up" || extended;
  }

  /** @param {string} callId of the shown ticket */
  showRatings(callId) {
    const { opened, calls } = this.state;
    const listed = calls.find((call) => call.call_id === callId)?.ratings;
    byId("ratings").replaceChildren(...ratingChips(opened?.ratings ?? listed ?? []));
  }

  /** @returns {string} the call whose SIP messages an administrator may see, "" if there is none */
  ladderOf() {
    if (this.state.agent?.role !== "admin") return "";
    return shownTicket(this.state)?.call_id ?? this.state.call?.call_id ?? "";
  }

  drawHelp() {
    const { help, opened, ticket, connected } = this.state;
    const shown = opened ? null : help;
    setText(byId("help-topic"), shown?.topic ?? "");
    byId("help-topic").hidden = !shown?.topic;
    this.help.show(shown, ticket?.status === "draft" && connected);
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
