// @ts-check
/** The transcript: both sides as they speak; what is still being said in grey. */

import { t } from "./i18n.js";

/** @typedef {import("./state.js").Utterance} Utterance */

const NEAR_END_PX = 60;

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

export class Transcript {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    this.shown = "";
    // Follow the talk, unless the agent scrolled up to read something again.
    this.follow = true;
    list.addEventListener("scroll", () => {
      this.follow = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    });
    new ResizeObserver(() => this.toEnd()).observe(list);
  }

  toEnd() {
    if (this.follow) this.list.scrollTop = this.list.scrollHeight;
  }

  /**
   * @param {Utterance[]} finals
   * @param {Record<string, string>} partials by leg
   */
  show(finals, partials) {
    const wanted = JSON.stringify([finals, partials, t("leg.caller")]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    const lines = finals.map((said) => this.line(said.leg, said.text, said.start));
    for (const [leg, text] of Object.entries(partials)) {
      if (text) lines.push(this.line(leg, text, null));
    }
    if (!lines.length) lines.push(this.nothing());
    this.list.replaceChildren(...lines);
    this.toEnd();
  }

  /**
   * @param {string} leg
   * @param {string} text
   * @param {number | null} start null while it is still being said
   */
  line(leg, text, start) {
    const item = document.createElement("li");
    item.className = start === null ? `said ${leg} partial` : `said ${leg}`;
    item.dataset.testid = start === null ? "partial" : "utterance";
    item.dataset.leg = leg;
    const who = document.createElement("span");
    who.className = "speaker";
    who.textContent = t(`leg.${leg}`) + (start === null ? "" : ` ${clock(start)}`);
    const words = document.createElement("span");
    words.className = "words";
    words.textContent = text;
    item.append(who, words);
    return item;
  }

  nothing() {
    const item = document.createElement("li");
    item.className = "empty";
    item.textContent = t("transcript_empty");
    return item;
  }
}
