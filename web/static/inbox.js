// @ts-check
/** The agent's part of the exchange with partners: take in, give back with a reason, take up again. */

import { has, t } from "./i18n.js";
import { byId, make, setText } from "./page.js";

/**
 * @typedef {{id: number, partner: string, direction: string, number: string, state: string,
 *   ticket_id: string | null, reason: string, created_at: number, changed_at: number,
 *   matter: Record<string, unknown>}} Handover
 * @typedef {"accept" | "give_back" | "reopen"} Way
 */

/** @param {Handover} one @returns {string} what it is about, in a line */
function about({ matter, reason }) {
  const said = ["title", "content", "address"].map((name) => matter[name]).filter(Boolean);
  return String(said[0] ?? reason) || t("untitled");
}

export class Inbox {
  /**
   * @param {object} hooks
   * @param {(one: Handover, way: Way, reason: string) => Promise<boolean>} hooks.act whether it was done
   * @param {(ticketId: string) => void} hooks.open
   * @param {(target: string) => string} hooks.nameOf
   */
  constructor({ act, open, nameOf }) {
    this.act = act;
    this.open = open;
    this.nameOf = nameOf;
    /** @type {{one: Handover, way: Way} | null} what the dialog asks the reason of */
    this.asked = null;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("inbox-dialog"));
    this.reason = /** @type {HTMLTextAreaElement} */ (byId("inbox-reason"));
    byId("inbox-cancel").addEventListener("click", () => this.dialog.close());
    byId("inbox-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
  }

  /** @param {Handover} one @returns {HTMLElement} its row */
  row(one) {
    const row = make("li", "handover", "", "handover");
    row.dataset.handover = String(one.id);
    const top = make("span", "listed-top", "");
    const time = new Date(one.changed_at * 1000).toTimeString().slice(0, 5);
    const state = has(`exchange.${one.state}`) ? t(`exchange.${one.state}`) : one.state;
    top.append(
      make("span", "clock", time),
      make("span", "grow", this.nameOf(`partner:${one.partner}`)),
      make("span", "chip", state),
    );
    const what = make("span", "listed-what", about(one));
    what.title = one.number;
    const acts = make("span", "call-back-acts", "");
    acts.append(...this.buttons(one));
    row.append(top, what, acts);
    if (one.direction === "out" && one.reason) row.append(make("span", "muted", one.reason));
    return row;
  }

  /** @param {Handover} one */
  buttons(one) {
    if (one.direction === "in") {
      return [
        this.button("board.accept", "accept", () => void this.act(one, "accept", "")),
        this.button("board.give_back", "give-back", () => this.ask(one, "give_back")),
      ];
    }
    const { ticket_id: ticketId } = one;
    return [
      ...(ticketId ? [this.button("inbox_open", "open", () => this.open(ticketId))] : []),
      ...(one.state === "finished" ? [this.button("board.reopen", "reopen", () => this.ask(one, "reopen"))] : []),
    ];
  }

  /** @param {string} word @param {string} name @param {() => void} work */
  button(word, name, work) {
    const button = /** @type {HTMLButtonElement} */ (make("button", "", t(word), `handover-${name}`));
    button.type = "button";
    button.addEventListener("click", work);
    return button;
  }

  /** @param {Handover} one @param {Way} way */
  ask(one, way) {
    this.asked = { one, way };
    setText(byId("inbox-title"), t(`inbox_${way}`, { number: one.number }));
    this.reason.value = "";
    this.dialog.showModal();
    this.reason.focus();
  }

  async send() {
    const reason = this.reason.value.trim();
    this.reason.setCustomValidity(reason ? "" : t("error.required"));
    if (!reason) this.reason.reportValidity();
    else if (this.asked && (await this.act(this.asked.one, this.asked.way, reason))) this.dialog.close();
  }
}
