// @ts-check
/** The transcript: both sides as they speak; what is being said, or was not recognised, in grey. */

import { t } from "./i18n.js";

/** @typedef {import("./state.js").Utterance} Utterance */
/** @typedef {import("./state.js").Gap} Gap */

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
   * @param {Gap[]} gaps
   * @param {Record<string, string>} partials by leg
   */
  show(finals, gaps, partials) {
    const wanted = JSON.stringify([finals, gaps, partials, t("leg.caller")]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    const lines = [
      ...finals.map((said) => ({ at: said.start, item: this.said(said) })),
      ...gaps
        .filter((gap) => gap.state !== "recognised")
        .map((gap) => ({ at: gap.start, item: this.gap(gap) })),
    ]
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
    for (const [leg, text] of Object.entries(partials)) {
      if (text) lines.push(this.line(leg, text, null));
    }
    if (!lines.length) lines.push(this.nothing());
    this.list.replaceChildren(...lines);
    this.toEnd();
  }

  /** @param {Utterance} said */
  said({ leg, text, start, later }) {
    const item = this.line(leg, text, start);
    if (later) {
      item.classList.add("later");
      item.title = t("transcript_later");
    }
    return item;
  }

  /** @param {Gap} gap */
  gap({ leg, start, state }) {
    const item = this.line(leg, t("transcript_gap"), start);
    item.classList.add("gap");
    item.dataset.testid = "gap";
    item.title = t(state === "failed" ? "transcript_gap_failed" : "transcript_gap_missing");
    return item;
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
