// @ts-check
/** How the whole is, drawn again every few seconds: alarms first, then nodes, trunks, phones, processes. */

import { fill, h, table } from "./dom.js";
import { has, t } from "./i18n.js";
import { ask, attempt } from "./staff.js";

const EVERY_MS = 5000;

/** @param {string} name @param {string} prefix */
const word = (name, prefix) => (has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name);

/** @param {boolean} well @param {string} [said] */
const chip = (well, said) => h("span.chip", { "data-status": well ? "ok" : "away" }, said ?? t(well ? "status.ok" : "status.away"));

/** @param {string} title @param {string[]} heads @param {(Node | string | number | null)[][]} rows @param {string} [note] */
function card(title, heads, rows, note = "") {
  return h("section.card", {}, h("h2", {}, t(title), h("span.note", {}, note)), table(t(title), heads.map((head) => t(head)), rows, t("board.none")));
}

/** @param {any} told */
function alarms({ alarms: all, parts }) {
  const level = (/** @type {any} */ one) => (one.status === "ok" ? "degraded" : one.status);
  const rows = all.map((/** @type {any} */ one) => h("li.row", {}, h("span.chip", { "data-status": level(one) }, word(one.part, "part")), h("span.grow", {}, one.detail ?? t(`status.${one.status}`))));
  const well = parts.filter((/** @type {any} */ one) => one.status === "ok").map((/** @type {any} */ one) => h("span.chip", { "data-status": "ok" }, word(one.name, "part")));
  return h("section.card.stacked", { "data-testid": "alarms" }, h("h2", {}, t("health.alarms")), rows.length ? h("ol.rows", {}, ...rows) : h("p", {}, t("services_ok")), h("p.actions", {}, ...well));
}

/** @param {any} told */
function cards(told) {
  const seconds = (/** @type {number} */ count) => t("health.seconds", { count: Math.max(0, Math.round(count)) });
  const nodes = told.nodes.map((/** @type {any} */ one) => [one.here ? t("health.here", { name: one.name }) : one.name, chip(one.alive, t(one.alive ? "health.alive" : "health.dead")), seconds(one.silent_seconds)]);
  const trunks = told.trunks.map((/** @type {any} */ one) => [
    one.name,
    chip(one.up),
    one.reason ?? "—",
    `${one.calls} / ${one.max_calls ?? "∞"}`,
    one.refused,
    one.registered === null ? "—" : t(one.registered ? "form.yes" : "form.no"),
  ]);
  const processes = told.processes.map((/** @type {any} */ one) => [one.name, chip(one.state === "running", word(one.state, "process")), one.pid ?? "—", one.restarts]);
  const recognisers = told.recognisers.map((/** @type {any} */ one) => [
    one.name === "usual" ? t("health.usual") : one.name,
    h("span.chip", { "data-status": one.status }, t(`status.${one.status}`)),
    one.detail ?? "—",
    one.streams ?? "—",
    one.lag_ms === null ? "—" : `${one.lag_ms} ms`,
    one.shed_streams ?? "—",
  ]);
  const phones = told.registrations.map((/** @type {any} */ one) => [one.agent_id, one.address, one.transport, seconds(one.expires_at - told.at)]);
  const counts = Object.entries(told.counts).map(([name, count]) => [h("code", {}, name), Number(count)]);
  return [
    card("health.trunks", ["form.name", "board.state", "board.detail", "health.calls", "health.refused", "health.registered"], trunks),
    h("div.halves", {}, card("health.nodes", ["form.name", "board.state", "health.silent"], nodes), card("health.processes", ["form.name", "board.state", "PID", "health.restarts"], processes)),
    card("health.recognisers", ["form.name", "board.state", "board.detail", "health.streams", "health.lag", "health.shed"], recognisers),
    h("div.halves", {}, card("board.registrations", ["agent_id", "health.address", "health.transport", "health.expires"], phones, String(told.phones)), card("board.counts", ["board.figure", "board.now"], counts)),
  ];
}

/**
 * Shows it; returns the way to stop.
 * @param {HTMLElement} panel
 */
export function health(panel) {
  const body = h("div.stacked", { "data-testid": "health" });
  fill(panel, body);
  let gone = false;
  const show = () =>
    attempt(async () => {
      const told = await ask("GET", "/system");
      // Whoever reads with the keyboard or marks a text keeps his place.
      if (gone || (body.contains(document.activeElement) && document.activeElement !== body)) return;
      fill(body, h("p.note", {}, `${told.node} · ${told.version} · ${new Date(told.at * 1000).toLocaleTimeString("zh-CN", { hour12: false })}`), alarms(told), ...cards(told));
    });
  void show();
  const timer = window.setInterval(show, EVERY_MS);
  return () => {
    gone = true;
    clearInterval(timer);
  };
}
