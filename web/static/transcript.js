// @ts-check
/** The transcript: both sides as they speak; what is being said, or was not recognised, in grey. */

import { t } from "./i18n.js";
import { make } from "./page.js";

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

const UNSURE_BELOW = 0.5;

/**
 * Parts a text by words that are to be marked; where two overlap, the first kind counts.
 * @param {string} text
 * @param {[string, string[]][]} kinds kind → words
 * @returns {[string, string][]} text and its kind, "" for none
 */
export function parts(text, kinds) {
  /** @type {string[]} */
  const marks = Array(text.length).fill("");
  for (const [kind, words] of kinds) {
    for (const word of words.filter(Boolean)) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        for (let n = at; n < at + word.length; n += 1) marks[n] ||= kind;
      }
    }
  }
  /** @type {[string, string][]} */
  const found = [];
  [...marks.keys()].forEach((n) => {
    const last = found.at(-1);
    if (last && last[1] === marks[n]) last[0] += text[n];
    else found.push([text[n], marks[n]]);
  });
  return found;
}

export class Transcript {
  /**
   * @param {HTMLElement} list
   * @param {(passage: {leg: string, start: number, end: number}) => void} play
   */
  constructor(list, play) {
    this.list = list;
    this.play = play;
    this.shown = "";
    /** @type {string[]} */
    this.urgent = [];
    this.recorded = false;
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
   * @param {string[]} urgent words that make it so
   * @param {boolean} recorded whether it can be heard
   */
  show(finals, gaps, partials, urgent, recorded) {
    const wanted = JSON.stringify([finals, gaps, partials, urgent, recorded, t("leg.caller")]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.urgent = urgent;
    this.recorded = recorded;
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

  /** @param {Utterance} utterance */
  said(utterance) {
    const { leg, text, start, later, confidence, doubtful = [] } = utterance;
    const item = this.line(leg, text, start);
    /** @type {[string, string[]][]} */
    const kinds = [
      ["urgent", this.urgent],
      ["doubtful", doubtful],
    ];
    const words = /** @type {HTMLElement} */ (item.lastElementChild);
    words.replaceChildren(...parts(text, kinds).map(([part, kind]) => marked(part, kind)));
    if ((confidence ?? 1) < UNSURE_BELOW) item.classList.add("unsure");
    if (this.recorded) {
      const hear = make("button", "link hear", "▶", "hear");
      hear.title = t("hear");
      hear.setAttribute("aria-label", t("hear"));
      hear.addEventListener("click", () => this.play(utterance));
      item.firstElementChild?.append(hear);
    }
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

/** @param {string} text @param {string} kind */
function marked(text, kind) {
  if (!kind) return document.createTextNode(text);
  const mark = make("mark", kind, text, `word-${kind}`);
  mark.title = t(`word_${kind}`);
  return mark;
}
