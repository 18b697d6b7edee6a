// @ts-check
/** The call's card: who calls, what is urgent, and what the agent does with the call. */

import { t } from "./i18n.js";
import { byId, make, setText } from "./page.js";
import { urgencyOf } from "./state.js";
import { clock } from "./transcript.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Call} Call */

const KEYS = [..."123456789*0#"];
const POLICE = "110";
/** Steps of a transfer that make sense at a stage. */
/** @type {Record<string, string[]>} */
const STEPS = {
  started: ["cancel"],
  ringing: ["complete", "cancel"],
  joined: ["swap", "merge", "complete", "cancel"],
  merged: ["swap", "complete", "cancel"],
};

/**
 * @typedef {object} Acts what the card asks for; each is told the call
 * @property {(call: Call) => void} answer
 * @property {(call: Call) => void} hangUp
 * @property {(call: Call, held: boolean) => void} hold
 * @property {(call: Call, muted: boolean) => void} mute
 * @property {(call: Call, paused: boolean) => void} pause
 * @property {(call: Call, keys: string) => void} press
 * @property {(call: Call, step: string) => void} step
 * @property {(call: Call, partner: string) => void} oneKey
 * @property {(call: Call, party: string) => void} drop
 * @property {() => void} directory
 * @property {(target: string) => string} nameOf
 */

export class CallPanel {
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    /** @type {Call | null} */
    this.call = null;
    this.urgentTo = "";
    this.pressedKeys = "";
    this.guests = "[]";
    this.keypad = byId("keypad");
    this.wire("answer", (call) => acts.answer(call));
    this.wire("hang-up", (call) => acts.hangUp(call));
    this.wire("hold", (call) => acts.hold(call, !isHeld(call)));
    this.wire("mute", (call) => acts.mute(call, !call.muted));
    this.wire("pause-recording", (call) => acts.pause(call, !call.paused));
    this.wire("police", (call) => acts.oneKey(call, POLICE));
    this.wire("urgent-transfer", (call) => acts.oneKey(call, this.urgentTo));
    for (const step of ["swap", "merge", "complete", "cancel"]) {
      this.wire(`transfer-${step}`, (call) => acts.step(call, step));
    }
    byId("open-directory").addEventListener("click", () => acts.directory());
    byId("open-keypad").addEventListener("click", () => this.toggleKeypad());
    for (const key of KEYS) {
      const button = /** @type {HTMLButtonElement} */ (make("button", "", key, `key-${key}`));
      button.type = "button";
      button.addEventListener("click", () => this.press(key));
      byId("keypad-keys").append(button);
    }
    this.keypad.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggleKeypad();
      else if (KEYS.includes(event.key)) this.press(event.key);
    });
  }

  /** @param {string} id @param {(call: Call) => void} act */
  wire(id, act) {
    byId(id).addEventListener("click", () => this.call && act(this.call));
  }

  toggleKeypad() {
    this.keypad.hidden = !this.keypad.hidden;
    byId("open-keypad").setAttribute("aria-expanded", String(!this.keypad.hidden));
    if (this.keypad.hidden) byId("open-keypad").focus();
    else /** @type {HTMLElement} */ (byId("keypad-keys").firstElementChild).focus();
  }

  /** @param {string} key */
  press(key) {
    if (!this.call) return;
    this.pressedKeys = (this.pressedKeys + key).slice(-16);
    setText(byId("keypad-pressed"), this.pressedKeys);
    this.acts.press(this.call, key);
  }

  /** @param {State} state @param {boolean} ringsHere whether it is the page's phone that rings */
  show(state, ringsHere) {
    const { call, presence, connected } = state;
    if (call?.call_id !== this.call?.call_id || call?.state !== "talking") this.forget();
    this.call = call;
    byId("call-card").dataset.state = call?.state ?? "none";
    byId("call-card").dataset.held = String(Boolean(call && isHeld(call)));
    byId("call-body").hidden = !call;
    byId("call-none").hidden = Boolean(call);
    const standing = ["ready", "wrap_up"].includes(presence?.state ?? "") ? presence?.state : "not_ready";
    const why = standing === "ready" && presence?.phones === 0 ? "no_phone" : standing;
    setText(byId("call-none"), t(`call_none_${why}`));
    document.title = call?.state === "offered" ? `☎ ${call.caller ?? ""}` : `12345 ${t("subtitle")}`;
    if (!call) return;
    const byClick = call.state === "offered" && (ringsHere || Boolean(call.by_click));
    this.showWho(call, byClick);
    byId("answer").hidden = !byClick;
    /** @type {HTMLButtonElement} */ (byId("answer")).disabled = !connected;
    this.showControls(call, connected);
    this.showTransfer(call, connected);
    this.showHistory(state);
    this.showUrgent(state);
  }

  forget() {
    this.keypad.hidden = true;
    this.pressedKeys = "";
    setText(byId("keypad-pressed"), "");
  }

  /** @param {Call} call @param {boolean} byClick whether a click answers it */
  showWho(call, byClick) {
    setText(byId("call-caller"), call.caller || t("no_number"));
    setText(byId("call-line"), this.acts.nameOf(`line:${call.line}`));
    const held = isHeld(call) ? "call.held" : call.held_by?.length ? "call.held_by_other" : "";
    setText(byId("call-state"), t(call.state === "talking" && held ? held : byClick ? "call.offered_click" : `call.${call.state}`));
    const from = [call.partner, call.reference].filter(Boolean).join(" · ");
    setText(byId("call-partner"), from && t("green_channel", { from }));
    byId("call-partner").hidden = !from;
  }

  /** @param {Call} call @param {boolean} connected */
  showControls(call, connected) {
    const talking = call.state === "talking";
    byId("call-controls").hidden = !talking;
    const hangUp = /** @type {HTMLButtonElement} */ (byId("hang-up"));
    hangUp.hidden = call.state === "ended";
    hangUp.disabled = !connected;
    setText(hangUp, t(call.state === "offered" ? "refuse" : "hang_up"));
    this.toggle("hold", isHeld(call), talking && connected && !call.transfer);
    this.toggle("mute", Boolean(call.muted), talking && connected);
    this.toggle("pause-recording", Boolean(call.paused), talking && connected);
    for (const id of ["open-keypad", "open-directory", "police"]) {
      const button = /** @type {HTMLButtonElement} */ (byId(id));
      button.disabled = !connected || (id !== "open-keypad" && !mayCallIn(call));
    }
  }

  /** @param {string} id @param {boolean} on @param {boolean} enabled */
  toggle(id, on, enabled) {
    const button = /** @type {HTMLButtonElement} */ (byId(id));
    button.setAttribute("aria-pressed", String(on));
    button.disabled = !enabled;
  }

  /** @param {Call} call @param {boolean} connected */
  showTransfer({ transfer, state, parties }, connected) {
    const shown = transfer && state === "talking" ? transfer : null;
    byId("transfer").hidden = !shown;
    if (!shown) return;
    setText(byId("transfer-to"), this.acts.nameOf(shown.target));
    setText(byId("transfer-stage"), t(`transfer.${shown.stage}`));
    const merged = shown.stage === "merged";
    setText(byId("transfer-complete"), t(merged ? "transfer_leave" : "transfer_complete"));
    setText(byId("transfer-cancel"), t(merged ? "transfer_drop" : "transfer_cancel"));
    this.showGuests(parties ?? []);
    for (const step of ["swap", "merge", "complete", "cancel"]) {
      const button = /** @type {HTMLButtonElement} */ (byId(`transfer-${step}`));
      const blind = shown.mode === "blind" && step === "complete";
      button.hidden = blind || !(STEPS[shown.stage] ?? []).includes(step);
      button.disabled = !connected;
    }
  }

  /** @param {{id: string, name: string, role: string}[]} parties */
  showGuests(parties) {
    const guests = parties.filter(({ role }) => role === "guest");
    const now = JSON.stringify(guests);
    if (now === this.guests) return; // a button that is being pressed stays
    this.guests = now;
    const chips = guests.map(({ id, name }) => {
      const chip = make("span", "chip guest", this.acts.nameOf(name), "guest");
      const drop = make("button", "link", "✕", "drop");
      drop.setAttribute("aria-label", t("transfer_drop"));
      drop.addEventListener("click", () => this.call && this.acts.drop(this.call, id));
      chip.append(drop);
      return chip;
    });
    byId("guests").replaceChildren(...chips);
  }

  /** @param {State} state */
  showHistory({ history, call }) {
    const rows = (call && history?.call_id === call.call_id ? history.tickets : []).slice(0, 3);
    byId("caller-history").hidden = !rows.length;
    setText(byId("caller-history-count"), t("history_count", { count: rows.length }));
    byId("caller-history-list").replaceChildren(...rows.map(earlier));
  }

  /** @param {State} state */
  showUrgent({ call, ticket }) {
    const urgent = call && call.ticket_id === ticket?.id ? urgencyOf(ticket) : null;
    byId("urgent").hidden = !urgent;
    if (!urgent) return;
    setText(byId("urgent-level"), urgent.level);
    setText(byId("urgent-reason"), urgent.reason);
    this.urgentTo = urgent.to;
    const button = byId("urgent-transfer");
    button.hidden = !urgent.to || call?.state !== "talking" || Boolean(call.transfer);
    setText(button, t("transfer_now", { to: urgent.to }));
  }

  /** @param {State} state @param {number} now Unix seconds of the server */
  tick({ call }, now) {
    const start = call?.answered_at ?? call?.arrived_at ?? now;
    setText(byId("call-clock"), call ? clock((call.ended_at ?? now) - start) : "");
  }
}

/** @param {Call | null} call whether somebody can be called for it now */
export function mayCallIn(call) {
  if (call?.state !== "talking") return false;
  return !call.transfer || call.transfer.stage === "merged";
}

/** @param {Call} call whether the agent himself holds it */
function isHeld(call) {
  return call.state === "talking" && Boolean(call.held_by?.includes("agent"));
}

/** @param {import("./state.js").Earlier} ticket */
function earlier(ticket) {
  const row = make("li", "earlier", "", "earlier");
  const day = ticket.created_at ? new Date(1000 * ticket.created_at) : null;
  const at = day ? `${day.getMonth() + 1}-${String(day.getDate()).padStart(2, "0")}` : "";
  const what = [ticket.type, ticket.category, ticket.address].filter(Boolean).join(" · ");
  const urgent = ["紧急", "特急"].includes(ticket.urgency ?? "");
  row.append(make("span", "mono muted", at), make("span", "grow", what || t("untitled")));
  if (urgent) row.append(make("span", "chip urgent", ticket.urgency ?? ""));
  row.append(make("span", "muted", t(`ticket.${ticket.status}`)));
  return row;
}
