// @ts-check
/** For shift leaders and inspectors: the floor, past calls, reports. */

import { follow } from "./board_feed.js";
import { fill, h, table } from "./dom.js";
import { fraction, percent, span } from "./figures.js";
import { inspection } from "./inspection.js";
import { callBacks, exchange } from "./lists.js";
import { reports } from "./reports.js";
import { health } from "./health.js";
import { t, translatePage } from "./i18n.js";
import { ask, attempt, enter, tabs } from "./staff.js";

const MODES = ["listen", "whisper", "barge", "take_over"];
const segment = encodeURIComponent;

/** @param {string} word @param {string} value @param {string} under */
const figure = (word, value, under) =>
  h("div.figure", {}, h("span", {}, t(word)), h("strong", {}, value), h("span.muted", {}, under));

/** @param {string} word @param {() => Promise<unknown>} work @param {string} [testid] */
const button = (word, work, testid) =>
  h("button", { type: "button", "data-testid": testid, onClick: () => attempt(work, t("board.done")) }, t(word));

/** @param {any} agent @param {number} now */
function agentRow(agent, now) {
  const path = `/agents/${segment(agent.id)}`;
  const why = agent.reason ? ` · ${t(`reason.${agent.reason}`)}` : "";
  const call = agent.state === "talking" ? agent.call_id : null;
  const ways = call
    ? [
        ...MODES.map((mode) => button(`board.${mode}`, () => ask("PUT", `/calls/${segment(call)}/supervision`, { mode }))),
        button("board.leave", () => ask("DELETE", `/calls/${segment(call)}/supervision`)),
      ]
    : [];
  return [
    agent.id,
    agent.name,
    agent.group || "—",
    h("span.chip", { "data-state": agent.state }, t(`state.${agent.talk || agent.state}`) + why),
    h("span.clock", {}, span(now - agent.since)),
    t(agent.phones ? "phone_on" : "phone_off"),
    h(
      "span.actions",
      {},
      ...ways,
      button("board.force_ready", () => ask("POST", `${path}/presence`, { state: "ready" })),
      button("board.force_break", () => ask("POST", `${path}/presence`, { state: "not_ready", reason: "break" })),
      button("board.force_out", () => ask("POST", `${path}/sign-out`, { reason: "supervisor" })),
    ),
  ];
}

/** @param {any} call @param {any} figures */
function waitingRow(call, figures) {
  const ready = figures.agents.filter((/** @type {any} */ agent) => agent.state === "ready");
  const path = `/calls/${segment(call.call_id)}`;
  const choice = /** @type {HTMLSelectElement} */ (
    h("select", { "aria-label": t("board.assign_to") }, ...ready.map((/** @type {any} */ agent) => h("option", { value: agent.id }, agent.name)))
  );
  return [
    call.name,
    span(figures.at - call.arrived_at),
    call.offered_to ? `${t("state.ringing")} ${call.offered_to}` : t("board.in_queue"),
    h(
      "span.actions",
      {},
      choice,
      button("board.assign", () => ask("POST", `${path}/assign`, { agent_id: choice.value })),
      button("board.pull", () => ask("POST", `${path}/pull`)),
    ),
  ];
}

/** @param {HTMLElement} panel */
function floor(panel) {
  const body = h("div.stacked", { "data-testid": "floor" });
  fill(panel, body);
  let drawn = 0;
  return follow(
    (figures) => {
      // A select or button that is being used must not be replaced under the hand.
      const busy = body.contains(document.activeElement) && Date.now() - drawn < 8000;
      if (busy) return;
      drawn = Date.now();
      const { now, today, quarter } = figures;
      fill(
        body,
        h(
          "div.figures",
          {},
          figure("board.waiting", String(now.waiting), span(now.longest_wait)),
          figure("board.ready", String(now.ready), t("board.of_signed_in", { count: now.signed_in })),
          figure("board.connected", percent(today.connected), fraction(today.connected)),
          figure("board.within", percent(today.within_15_s), fraction(today.within_15_s)),
          figure("board.abandoned", String(today.abandoned), fraction(today.lost)),
          figure("board.quarter", String(quarter.calls), fraction(quarter.connected)),
        ),
        h("section.card", {}, h("h2", {}, t("board.waiting_calls")), table(t("board.waiting_calls"), heads(["line", "board.longest", "board.state", "board.actions"]), figures.waiting.map((/** @type {any} */ call) => waitingRow(call, figures)), t("board.nobody_waits"))),
        h("section.card", {}, h("h2", {}, t("board.agents")), table(t("board.agents"), heads(["agent_id", "field.name", "board.group", "board.state", "board.since", "board.phone", "board.actions"]), figures.agents.map((/** @type {any} */ agent) => agentRow(agent, figures.at)), t("board.none"))),
        h("section.card", {}, h("h2", {}, t("board.groups")), table(t("board.groups"), heads(["board.group", "board.signed_in", "board.ready", "board.offers", "board.taken"]), figures.groups.map((/** @type {any} */ group) => [group.group || "—", group.signed_in, group.ready, group.today.offers, `${percent(group.today.taken)} (${fraction(group.today.taken)})`]), t("board.none"))),
      );
    },
    (connected) => {
      const note = /** @type {HTMLElement} */ (document.querySelector("#note"));
      if (!connected) note.textContent = t("board.lost");
      else if (note.textContent === t("board.lost")) note.textContent = "";
      if (!connected) note.dataset.level = "bad";
    },
    true,
  );
}

/** @param {string[]} words */
const heads = (words) => words.map((word) => t(word));

translatePage();
await enter("board.team", ["supervisor", "inspector", "admin"], (account, main) => {
  const leads = account.role !== "inspector";
  tabs(main, [
    ...(leads ? [{ name: "floor", word: "board.floor", show: floor }] : []),
    { name: "calls", word: "board.calls_tab", show: inspection },
    ...(leads
      ? [
          { name: "callbacks", word: "board.callbacks", show: callBacks },
          { name: "exchange", word: "board.exchange", show: exchange },
        ]
      : []),
    ...(leads
      ? [
          { name: "reports", word: "board.reports", show: reports },
          { name: "health", word: "board.health", show: health },
        ]
      : []),
  ]);
});
