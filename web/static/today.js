// @ts-check
/** The agent's day: his tickets and his calls. */

import { ratingChips } from "./after_call.js";
import { callBackRow } from "./call_back_list.js";
import { t } from "./i18n.js";
import { byId, make, setText } from "./page.js";
import { listedTickets, shownTicket } from "./state.js";
import { clock } from "./transcript.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Ticket} Ticket */

/**
 * @typedef {{call_id: string, line: string, caller: string | null, arrived_at: number,
 *   answered_at: number | null, ended_at: number | null, outcome: string | null,
 *   direction: string, ticket_id: string | null,
 *   ratings?: import("./after_call.js").Rating[]}} CallRecord
 */

/** @typedef {import("./call_back_list.js").Entry} CallBack */

/** @typedef {"tickets" | "calls" | "callbacks" | "inbox"} Tab */
/** @type {Tab[]} */
const TABS = ["tickets", "calls", "callbacks", "inbox"];
const NONE = {
  tickets: "today_none",
  calls: "today_no_calls",
  callbacks: "today_no_callbacks",
  inbox: "today_no_inbox",
};

/** @param {number | null} at Unix seconds */
const minute = (at) => (at ? new Date(at * 1000).toTimeString().slice(0, 5) : "");

export class Today {
  /**
   * @param {object} hooks
   * @param {(ticketId: string) => void} hooks.open
   * @param {(target: string) => string} hooks.nameOf
   * @param {(entry: CallBack) => void} hooks.callBack
   * @param {(entry: CallBack, outcome: string) => void} hooks.closeCallBack
   * @param {import("./inbox.js").Inbox} hooks.inbox
   * @param {(tab: Tab) => void} hooks.opened
   */
  constructor({ open, nameOf, callBack, closeCallBack, inbox, opened }) {
    this.inbox = inbox;
    this.open = open;
    this.nameOf = nameOf;
    this.callBack = callBack;
    this.closeCallBack = closeCallBack;
    this.drawn = "";
    /** @type {Tab} */
    this.tab = "tickets";
    /** @type {State | null} */
    this.state = null;
    for (const tab of TABS) {
      byId(`today-${tab}`).addEventListener("click", () => {
        this.tab = tab;
        opened(tab);
        if (this.state) this.show(this.state);
      });
    }
  }

  /** @param {State} state */
  show(state) {
    this.state = state;
    const tickets = listedTickets(state);
    const talked = state.calls.map(seconds).filter((time) => time > 0);
    for (const tab of TABS) {
      byId(`today-${tab}`).setAttribute("aria-selected", String(this.tab === tab));
    }
    setText(byId("today-callbacks-count"), String(state.callBacks.length));
    setText(byId("today-inbox-count"), String(state.inbox.length));
    setText(byId("today-tickets-count"), String(tickets.length));
    setText(byId("today-calls-count"), String(state.calls.length));
    const total = talked.reduce((sum, time) => sum + time, 0);
    const closed = tickets.filter(({ status }) => ["answered", "closed"].includes(status)).length;
    const mean = talked.length ? clock(total / talked.length) : "—";
    setText(byId("today-figures"), t("today_figures", { mean, closed }));
    const list = byId("today");
    const choosing = document.activeElement instanceof HTMLSelectElement;
    if (choosing && list.contains(document.activeElement)) return;
    if (this.tab === "callbacks" || this.tab === "inbox") {
      const shown = this.tab === "inbox" ? state.inbox : [state.callBacks, mayCall(state)];
      const now = JSON.stringify([this.tab, shown, t("today_callbacks")]);
      if (now === this.drawn) return; // a button that is being pressed stays
      this.drawn = now;
    } else this.drawn = "";
    const rows = this.rows(state, tickets);
    list.replaceChildren(...(rows.length ? rows : [make("li", "empty", t(NONE[this.tab]))]));
  }

  /** @param {State} state @param {Ticket[]} tickets @returns {HTMLElement[]} of the open tab */
  rows(state, tickets) {
    if (this.tab === "calls") return state.calls.map((call) => this.call(call));
    if (this.tab === "inbox") return state.inbox.map((one) => this.inbox.row(one));
    if (this.tab === "callbacks") {
      const free = mayCall(state);
      const hooks = { free, nameOf: this.nameOf, call: this.callBack, close: this.closeCallBack };
      return state.callBacks.map((entry) => callBackRow(entry, hooks));
    }
    const current = shownTicket(state)?.id;
    return tickets.map((ticket) => this.listed(ticket, ticket.id === current));
  }

  /** @param {CallRecord} call */
  call(call) {
    const row = make("li", "", "");
    const { ticket_id: ticketId } = call;
    const button = /** @type {HTMLButtonElement} */ (make("button", "listed", "", "today-call"));
    button.disabled = !ticketId;
    const top = make("span", "listed-top", "");
    const line = call.direction === "outbound" ? t("call_out") : this.nameOf(`line:${call.line}`);
    const outcome = seconds(call) > 0 ? clock(seconds(call)) : t(`outcome.${call.outcome ?? "abandoned"}`);
    top.append(make("span", "clock", minute(call.arrived_at)), make("span", "grow", line), make("span", "clock", outcome));
    const who = make("span", "listed-top", "");
    who.append(make("span", "grow", call.caller ?? t("no_number")), ...ratingChips(call.ratings ?? []));
    button.append(top, who);
    if (ticketId) button.addEventListener("click", () => this.open(ticketId));
    row.append(button);
    return row;
  }

  /** @param {Ticket} ticket @param {boolean} current */
  listed(ticket, current) {
    const value = (/** @type {string} */ name) => ticket.fields[name]?.value ?? "";
    const row = document.createElement("li");
    const button = make("button", current ? "listed current" : "listed", "", "today-ticket");
    button.dataset.ticket = ticket.id;
    const top = make("span", "listed-top", "");
    const status = make("span", "chip", t(`ticket.${ticket.status}`));
    status.dataset.status = ticket.status;
    const kind = [value("type"), value("category")].filter(Boolean).join(" · ");
    top.append(make("span", "clock", minute(ticket.created_at)), make("span", "grow", kind), status);
    const who = `${value("name")}${value("title")}` || value("phone");
    const what = value("content") || value("address") || t("untitled");
    button.append(top, make("span", "listed-what", what), make("span", "muted", String(who)));
    button.addEventListener("click", () => this.open(ticket.id));
    row.append(button);
    return row;
  }
}

/** @param {State} state @returns {boolean} whether the agent's phone can be rung for a call-back */
export function mayCall({ connected, presence }) {
  return connected && !["reserved", "ringing", "talking"].includes(presence?.state ?? "");
}

/** @param {CallRecord} call @returns {number} how long it was talked */
function seconds({ answered_at: from, ended_at: to }) {
  return from && to ? to - from : 0;
}
