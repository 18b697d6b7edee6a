// @ts-check
/** How figures are written: times, spans, percentages with their denominators; the day's course. */

import { svg } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {{part: number, whole: number, of: string, percent: number | null}} Share */

const two = (/** @type {number} */ number) => String(number).padStart(2, "0");

/** @param {number | null} seconds @returns {string} `3:07`, `1:02:09`, or a dash */
export function span(seconds) {
  if (seconds === null) return "—";
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = two(whole % 60);
  return hours ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

/** @param {number} at Unix seconds @returns {string} hour and minute here */
export function time(at) {
  const date = new Date(at * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** @param {number | null | undefined} at Unix seconds */
export function moment(at) {
  if (!at) return "—";
  const date = new Date(at * 1000);
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${time(at)}:${two(date.getSeconds())}`;
}

/** @param {Share} share @returns {string} `96.4%`, or a dash of nothing */
export function percent({ percent: value }) {
  return value === null ? "—" : `${value.toFixed(1)}%`;
}

/** @param {Share} share @returns {string} `392 / 412` and of what */
export function fraction({ part, whole }) {
  return `${part} / ${whole}`;
}

/**
 * The course of a day: for each quarter of an hour a bar of calls, and in it those answered.
 * @param {{start: number, calls: number, answered: number}[]} points oldest first
 */
export function course(points) {
  const [width, height, foot] = [590, 230, 30];
  const shown = points.slice(-32);
  const most = Math.max(1, ...shown.map(({ calls }) => calls));
  const step = width / Math.max(16, shown.length);
  const high = (/** @type {number} */ number) => ((height - foot - 22) * number) / most;
  const parts = shown.flatMap(({ start, calls, answered }, index) => {
    const x = index * step;
    /** @param {string} name @param {number} number */
    const bar = (name, number) =>
      svg("rect", { class: name, x: x + 2, width: step - 4, y: height - foot - high(number), height: high(number) });
    const label = svg("text", { x: x + 2, y: height - 4 });
    label.textContent = start % 7200 === 0 ? time(start) : "";
    return [bar("calls", calls), bar("answered", answered), label];
  });
  const scale = svg("text", { x: 0, y: 16 });
  scale.textContent = t("board.most", { count: most });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", class: "course", "aria-label": t("board.course") },
    ...parts,
    scale,
  );
  return picture;
}
