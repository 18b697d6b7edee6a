// @ts-check
/** Finding past calls, hearing them along their transcript, and judging them. */

import { api } from "./api.js";
import { fill, h, svg, table } from "./dom.js";
import { moment, span } from "./figures.js";
import { t } from "./i18n.js";
import { Recording } from "./recording.js";
import { ask, attempt, mark } from "./staff.js";

const segment = encodeURIComponent;
const COLUMNS = 600;

/** @param {HTMLElement} panel */
export function inspection(panel) {
  const found = h("div", { "data-testid": "found" });
  const opened = h("section.card.call", { hidden: true, "data-testid": "opened-call" });
  /** @param {string} name @param {string} word @param {Record<string, string>} [props] */
  const field = (name, word, props = {}) => h("label", {}, h("span", {}, t(word)), h("input", { name, ...props }));
  const form = h(
    "form.search",
    { onSubmit: (/** @type {SubmitEvent} */ event) => (event.preventDefault(), search()), role: "search" },
    field("number", "board.number", { pattern: "[0-9+]{3,20}", inputmode: "numeric" }),
    field("agent_id", "agent_id", { maxlength: "32" }),
    field("text", "board.said", { maxlength: "50", "data-testid": "search-text" }),
    field("category", "field.category", { maxlength: "100" }),
    field("since", "board.since_day", { type: "date" }),
    field("until", "board.until_day", { type: "date" }),
    h("button.primary", { "data-testid": "search" }, t("board.search")),
  );

  const search = () =>
    attempt(async () => {
      const asked = new URLSearchParams();
      for (const [name, value] of new FormData(/** @type {HTMLFormElement} */ (form))) {
        const text = String(value).trim();
        if (!text) continue;
        const day = Date.parse(`${text}T00:00:00`) / 1000;
        if (name === "since") asked.set(name, String(day));
        else if (name === "until") asked.set(name, String(day + 86_400));
        else asked.set(name, text);
      }
      const { items } = await ask("GET", `/call-search?${asked}`);
      fill(found, results(items, (call) => void attempt(() => open(call, opened))));
    });
  fill(panel, h("div.stacked", {}, h("section.card", {}, form, found), opened));
  void search();
}

/** @param {any[]} calls @param {(call: any) => void} onOpen */
function results(calls, onOpen) {
  const rows = calls.map((call) => [
    h("button.link", { type: "button", "data-testid": "open-call", onClick: () => onOpen(call) }, moment(call.arrived_at)),
    call.caller ?? t("no_number"),
    call.line,
    call.agent_id ?? "—",
    call.answered_at && call.ended_at ? span(call.ended_at - call.answered_at) : "—",
    call.outcome ? t(`outcome.${call.outcome}`) : "—",
    call.category ?? "—",
    call.score ?? "—",
  ]);
  const words = ["board.arrived", "board.number", "line", "agent_id", "board.talked", "board.outcome", "field.category", "board.score"];
  return table(t("board.calls_tab"), words.map((word) => t(word)), rows, t("board.nothing_found"));
}

/** @param {any} call @param {HTMLElement} card */
async function open(call, card) {
  const path = `/calls/${segment(call.call_id)}`;
  const [said, quality, record] = await Promise.all([api.transcript(call.call_id), ask("GET", `${path}/assessments`), api.call(call.call_id)]);
  const audio = /** @type {HTMLAudioElement} */ (h("audio", { controls: true, preload: "metadata", "aria-label": t("board.recording") }));
  const player = h("div.player", {}, h("p.muted", {}, t("board.no_recording")));
  /** @param {number} part the file that is heard */
  const outline = async (part) => {
    const waves = await ask("GET", `${path}/waveform?columns=${COLUMNS}&part=${part}`).catch(() => null);
    // Another part may have been taken meanwhile, whose answer came first.
    if (waves && part === heard) fill(player, waveform(waves, audio), audio);
  };
  let heard = 1;
  const recording = new Recording(audio, (part) => {
    heard = part;
    if (call.recording) void outline(part);
  });
  recording.show(call.recording ? call.call_id : "", record.recordings);
  const lines = said.map((/** @type {any} */ one) =>
    h(
      "li.said",
      { "data-leg": one.leg, "data-start": one.start, "data-end": one.end },
      h("button.link", { type: "button", onClick: () => recording.seek(one.start) }, span(one.start)),
      h("span.speaker", {}, t(`leg.${one.leg}`)),
      h("span", {}, one.text),
    ),
  );
  audio.addEventListener("timeupdate", () => follow(recording.now(), lines));
  fill(
    card,
    h("h2", {}, `${moment(call.arrived_at)} · ${call.caller ?? t("no_number")} · ${call.agent_id ?? "—"}`),
    player,
    h("div.halves", {}, h("ol.transcript", { "data-testid": "transcript", tabindex: "0", "aria-label": t("transcript_past") }, ...lines), scoring(call, quality, recording, () => void attempt(() => open(call, card)))),
  );
  mark(card);
  card.hidden = false;
  card.scrollIntoView({ block: "nearest" });
}

/** @param {number} at @param {HTMLElement[]} lines */
function follow(at, lines) {
  for (const line of lines) {
    const now = Number(line.dataset.start) <= at && at < Number(line.dataset.end);
    if (now && !line.classList.contains("current")) line.scrollIntoView({ block: "nearest" });
    line.classList.toggle("current", now);
  }
}

/**
 * Both sides' loudness; a click goes there.
 * @param {{seconds: number, channels: number[][]}} waves
 * @param {HTMLAudioElement} audio
 */
function waveform({ seconds, channels }, audio) {
  const [width, half] = [COLUMNS, 40];
  const height = half * channels.length;
  const bars = channels.flatMap((peaks, channel) =>
    peaks.map((peak, column) => {
      const high = Math.max(1, peak * (half - 4));
      return svg("rect", { class: `side-${channel}`, x: (column * width) / peaks.length, width: width / peaks.length, y: half * channel + (half - high) / 2, height: high });
    }),
  );
  const hand = svg("line", { class: "hand", y1: 0, y2: height, x1: 0, x2: 0 });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "waveform", role: "img", "aria-label": t("board.waveform") }, ...bars, hand);
  picture.dataset.testid = "waveform";
  picture.addEventListener("click", (event) => {
    const { left, width: wide } = picture.getBoundingClientRect();
    audio.currentTime = (seconds * (/** @type {MouseEvent} */ (event).clientX - left)) / wide;
  });
  audio.addEventListener("timeupdate", () => {
    const x = String((width * audio.currentTime) / Math.max(seconds, 0.001));
    hand.setAttribute("x1", x);
    hand.setAttribute("x2", x);
  });
  return picture;
}

/**
 * The form for judging, and what was said before.
 * @param {any} call
 * @param {{criteria: Record<string, number>, assessments: any[]}} quality
 * @param {Recording} recording
 * @param {() => void} onDone
 */
function scoring(call, { criteria, assessments }, recording, onDone) {
  /** @type {{at: number, note: string}[]} */
  const marks = [];
  const listed = h("ol.marks");
  const note = /** @type {HTMLInputElement} */ (h("input", { maxlength: "200", "aria-label": t("board.mark_note"), placeholder: t("board.mark_note") }));
  const add = () => {
    if (!note.value.trim()) return;
    marks.push({ at: Math.round(recording.now() * 10) / 10, note: note.value.trim() });
    note.value = "";
    fill(listed, ...marks.map((one) => h("li", {}, `${span(one.at)} ${one.note}`)));
  };
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const values = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const scores = Object.fromEntries(Object.keys(criteria).map((name) => [name, Number(values.get(name))]));
    const body = { scores, marks, comment: String(values.get("comment")) };
    if (await attempt(() => ask("POST", `/calls/${segment(call.call_id)}/assessments`, body), t("board.done"))) onDone();
  };
  const earlier = assessments.map((one) =>
    h("li", {}, `${moment(one.at)} ${one.who}: ${one.total} / 100 ${one.comment}`, h("ul", {}, ...one.marks.map((/** @type {any} */ m) => h("li", {}, h("button.link", { type: "button", onClick: () => recording.seek(m.at) }, span(m.at)), ` ${m.note}`)))),
  );
  return h(
    "form.scoring",
    { onSubmit: submit, "data-testid": "scoring" },
    h("h3", {}, t("board.scoring")),
    ...Object.entries(criteria).map(([name, most]) =>
      h("label", {}, h("span", {}, `${t(`criterion.${name}`)} (0–${most})`), h("input", { name, type: "number", min: 0, max: most, value: most, required: true })),
    ),
    h("div.mark-line", {}, note, h("button", { type: "button", onClick: add }, t("board.mark"))),
    listed,
    h("label", {}, h("span", {}, t("board.comment")), h("textarea", { name: "comment", rows: 2, maxlength: 2000 })),
    h("button.primary", { "data-testid": "assess" }, t("board.assess")),
    h("h3", {}, t("board.earlier_scores")),
    h("ol", { "data-testid": "assessments" }, ...(earlier.length ? earlier : [h("li.muted", {}, t("board.none"))])),
  );
}
