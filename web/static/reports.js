// @ts-check
/** The day, the week, the month: figures, plots, and files to take away. */

import { fill, h, table } from "./dom.js";
import { fraction, percent, span } from "./figures.js";
import { t } from "./i18n.js";
import { ask, attempt } from "./staff.js";

const FORMATS = ["html", "xlsx", "csv"];

/** @param {HTMLElement} panel */
export function reports(panel) {
  const today = new Date();
  const day = `${today.getFullYear()}-${String(today.getMonth() + 1).padStart(2, "0")}-${String(today.getDate()).padStart(2, "0")}`;
  const period = /** @type {HTMLInputElement} */ (h("input", { name: "period", value: day, pattern: "[0-9]{4}-([0-9]{2}(-[0-9]{2})?|W[0-9]{2})", required: true, "data-testid": "period" }));
  const shown = h("div.stacked", { "data-testid": "report" });
  const files = h("span.actions");
  const show = () =>
    attempt(async () => {
      const report = await ask("GET", `/reports/${encodeURIComponent(period.value)}`);
      fill(files, ...FORMATS.map((format) => h("a.button", { href: `/api/v1/reports/${encodeURIComponent(period.value)}?format=${format}` }, t(`board.as_${format}`))));
      fill(shown, ...parts(report));
    });
  const choose = (/** @type {string} */ value) => () => ((period.value = value), void show());
  const form = h(
    "form.search",
    { onSubmit: (/** @type {SubmitEvent} */ event) => (event.preventDefault(), void show()) },
    h("label", {}, h("span", {}, t("board.period")), period),
    h("button.primary", {}, t("board.show")),
    h("button", { type: "button", onClick: choose(day) }, t("board.day")),
    h("button", { type: "button", onClick: choose(day.slice(0, 7)) }, t("board.month")),
    files,
  );
  fill(panel, h("div.stacked", {}, h("section.card", {}, form), shown));
  void show();
}

/** @param {any} report */
function parts(report) {
  const counts = Object.entries(report.counts).map(([name, { count, before }]) => [t(`report.${name}`), count, before]);
  const seconds = Object.entries(report.seconds).map(([name, { mean, before }]) => [t(`report.${name}`), span(mean), span(before)]);
  const shares = Object.entries(report.shares).map(([name, share]) => [t(`report.${name}`), percent(share), `${fraction(share)} ${share.of}`, whole(share.before)]);
  const most = Math.max(1, ...report.course.map((/** @type {any} */ point) => point.calls));
  const course = report.course.map((/** @type {any} */ point) => [point.at, bar(point.calls, most), point.calls, point.answered]);
  const hot = report.hot.map((/** @type {any} */ row) => [row.category, row.street, bar(row.count, report.hot[0].count), row.count, row.before]);
  return [
    h("div.halves", {}, card("board.counts", ["board.figure", "board.now", "board.before"], [...counts, ...seconds]), card("board.shares", ["board.figure", "board.now", "board.of_what", "board.before"], shares)),
    h("div.halves", {}, card("board.course_of_period", ["board.when", "board.plot", "report.calls", "board.answered"], course), card("board.topics", ["field.category", "board.street", "board.plot", "board.now", "board.before"], hot)),
    ...inPairs([...volumes(report), ...others(report)]),
  ];
}

/** @param {HTMLElement[]} cards */
function inPairs(cards) {
  const pairs = Array.from({ length: Math.ceil(cards.length / 2) }, (_, at) => cards.slice(2 * at, 2 * at + 2));
  return pairs.map((pair) => h("div.halves", {}, ...pair));
}

/** @param {any} report @returns {HTMLElement[]} how much of each line, channel, type and category */
function volumes(report) {
  return Object.entries(report.volumes).map(([kind, all]) => {
    const most = Math.max(1, ...all.map((/** @type {any} */ row) => row.count));
    const rows = all.map((/** @type {any} */ row) => [row.name, bar(row.count, most), row.count, whole(row.share), row.before, whole(row.change)]);
    return card(`report.by_${kind}`, ["report.name", "board.plot", "report.count", "report.share", "board.before", "report.change"], rows);
  });
}

/** @param {any} report */
function others({ units, frequent, exchanges }) {
  return [
    card("report.units", ["report.name", "report.passed", "report.overdue", "report.open", "report.on_time"], units.map((/** @type {any} */ row) => [row.name, row.passed, row.overdue, row.open, whole(row.on_time)])),
    card("report.exchanges", ["report.what", "board.partner", "report.direction", "board.why", "report.count"], exchanges.map((/** @type {any} */ row) => [t(`report.${row.what}`), row.partner, t(`report.${row.direction}`), row.reason || "—", row.count])),
    card("report.frequent", ["report.caller", "report.calls"], frequent.map((/** @type {any} */ row) => [row.caller, row.calls])),
  ];
}

/** @param {import("./figures.js").Share} share @returns {string} a percentage with what it is of */
const whole = (share) => `${percent(share)} (${fraction(share)})`;

/** @param {string} title @param {string[]} heads @param {any[][]} rows */
const card = (title, heads, rows) => h("section.card", {}, h("h2", {}, t(title)), table(t(title), heads.map((head) => t(head)), rows));

/** @param {number} value @param {number} most */
function bar(value, most) {
  const filled = h("span.bar-fill");
  filled.style.width = `${(100 * value) / Math.max(1, most)}%`;
  return h("span.bar-back", { "aria-hidden": "true" }, filled);
}
