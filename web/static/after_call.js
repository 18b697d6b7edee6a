// @ts-check
/** What a call came to: the agent's choice while he wraps up, and what the citizen said of him. */

import { t } from "./i18n.js";
import { byId, make } from "./page.js";

/**
 * @typedef {{code: string, name: string}} Disposition
 * @typedef {{agent_id: string, outcome: string, score: number | null}} Rating
 * @typedef {{agent_id: string, code: string, name: string | null}} Chosen
 */

export class AfterCall {
  /** @param {{choose: (callId: string, code: string) => void}} hooks */
  constructor({ choose }) {
    this.row = byId("disposition-row");
    this.choice = /** @type {HTMLSelectElement} */ (byId("disposition"));
    this.callId = "";
    /** @type {Disposition[]} */
    this.offered = [];
    /** @type {Map<string, string>} call id -> code */
    this.chosen = new Map();
    this.choice.addEventListener("change", () => {
      if (!this.choice.value || !this.callId) return;
      this.chosen.set(this.callId, this.choice.value);
      choose(this.callId, this.choice.value);
    });
  }

  /** @param {Disposition[]} dispositions the city's list */
  learn(dispositions) {
    if (JSON.stringify(dispositions) === JSON.stringify(this.offered)) return;
    this.offered = dispositions;
    this.choice.replaceChildren(
      new Option(t("disposition_none"), ""),
      ...dispositions.map(({ code, name }) => new Option(name, code)),
    );
  }

  /**
   * @param {string} callId of the ticket in the form, "" if there is none
   * @param {string} agentId whose choice it is
   * @param {boolean} mine
   * @param {Chosen[]} told what is stored of the call
   */
  show(callId, agentId, mine, told) {
    this.row.hidden = !callId || !mine || !this.offered.length;
    if (callId !== this.callId && this.choice === document.activeElement) this.choice.blur();
    this.callId = callId;
    const stored = told.find((one) => one.agent_id === agentId)?.code ?? "";
    const wanted = this.chosen.get(callId) ?? stored;
    if (this.choice !== document.activeElement) this.choice.value = wanted;
  }
}

/**
 * @param {Rating[]} ratings of a call
 * @returns {HTMLElement[]} a chip for each of them
 */
export function ratingChips(ratings) {
  return ratings.map(({ outcome, score, agent_id: agent }) => {
    const text = outcome === "rated" ? t("rating_score", { score: score ?? "" }) : t(`rating.${outcome}`);
    const chip = make("span", "chip rating", text, "rating");
    chip.title = agent;
    return chip;
  });
}
