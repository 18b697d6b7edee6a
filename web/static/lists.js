// @ts-check
/** Work that waits for somebody: whom to call back, and what partners sent or were sent. */

import { fill, h, table } from "./dom.js";
import { moment } from "./figures.js";
import { has, t } from "./i18n.js";
import { ask, attempt } from "./staff.js";

const REFRESH_MS = 5000;
const OUTCOMES = ["reached", "unreachable", "wrong_number", "not_needed"];

/** @param {string[]} words */
const heads = (words) => words.map((word) => t(word));

/** @param {string} key @param {string} plain what is shown where there is no word for it */
const word = (key, plain) => (has(key) ? t(key) : plain);

/**
 * Draws a list again and again, but not under a hand that is choosing or writing in it.
 * @param {HTMLElement} panel
 * @param {HTMLElement} body
 * @param {() => Promise<HTMLElement>} draw
 */
function kept(panel, body, draw) {
  fill(panel, body);
  const show = async () => {
    if (body.contains(document.activeElement) && document.activeElement?.matches("select, input")) return;
    await attempt(async () => fill(body, await draw()));
  };
  void show();
  const timer = window.setInterval(show, REFRESH_MS);
  return { show, end: () => clearInterval(timer) };
}

/** @param {HTMLElement} panel */
export function callBacks(panel) {
  const body = h("section.card", { "data-testid": "callbacks" });
  const list = kept(panel, body, async () => {
    const [open, calling] = await Promise.all(
      ["open", "calling"].map((status) => ask("GET", `/callbacks?limit=100&status=${status}`)),
    );
    const rows = [...calling.items, ...open.items].map((entry) => row(entry, () => void list.show()));
    return table(t("board.callbacks"), heads(["board.number", "line", "board.why", "board.state", "board.times", "board.last", "board.due", "board.actions"]), rows, t("board.none"));
  });
  return list.end;
}

/** @param {any} entry @param {() => void} done */
function row(entry, done) {
  const outcome = /** @type {HTMLSelectElement} */ (
    h("select", { "aria-label": t("board.outcome") }, ...OUTCOMES.map((one) => h("option", { value: one }, t(`callback.${one}`))))
  );
  const path = `/callbacks/${entry.id}`;
  const close = async () => {
    outcome.blur();
    if (await attempt(() => ask("POST", `${path}/close`, { outcome: outcome.value }), t("board.done"))) done();
  };
  const call = async () => {
    if (await attempt(() => ask("POST", `${path}/call`), t("board.done"))) done();
  };
  return [
    entry.number,
    entry.line,
    word(`callback.${entry.reason}`, entry.reason),
    h("span.chip", {}, word(`callback.${entry.status}`, entry.status) + (entry.agent_id ? ` ${entry.agent_id}` : "")),
    t("board.times_value", { calls: entry.calls, attempts: entry.attempts }),
    moment(entry.last_at),
    moment(entry.due_at),
    h("span.actions", {}, h("button", { type: "button", onClick: call }, t("board.call_back")), outcome, h("button", { type: "button", onClick: close }, t("board.close_entry"))),
  ];
}

/** @param {HTMLElement} panel */
export function exchange(panel) {
  const body = h("div.stacked", { "data-testid": "exchange" });
  const list = kept(panel, body, async () => {
    const [inbox, outbox] = await Promise.all(
      ["in", "out"].map((direction) => ask("GET", `/exchange?limit=100&direction=${direction}`)),
    );
    /** @param {string} title @param {any[]} items */
    const card = (title, items) =>
      h("section.card", {}, h("h2", {}, t(title)), table(t(title), heads(["board.partner", "board.their_number", "board.our_ticket", "board.state", "board.why", "board.changed", "board.alarm", "board.actions"]), items.map((one) => handover(one, () => void list.show())), t("board.none")));
    return h("div.stacked", {}, card("board.inbox", inbox.items), card("board.outbox", outbox.items));
  });
  return list.end;
}

/** @param {any} one @param {() => void} done */
function handover(one, done) {
  const reason = /** @type {HTMLInputElement} */ (h("input", { maxlength: 2000, placeholder: t("board.why"), "aria-label": t("board.why") }));
  /** @param {string} way @param {Record<string, unknown>} body */
  const act = (way, body) => async () => {
    if (await attempt(() => ask("POST", `/exchange/${one.id}/${way}`, { ...body, reason: reason.value }), t("board.done"))) {
      reason.value = "";
      reason.blur();
      done();
    }
  };
  /** @param {string} label @param {() => Promise<void>} work */
  const button = (label, work) => h("button", { type: "button", onClick: work }, t(label));
  const mine = one.direction === "in" && one.kind === "ticket";
  const ways = [
    ...(mine && one.state === "arrived" ? [button("board.accept", act("decision", { accepted: true }))] : []),
    ...(mine && ["arrived", "accepted"].includes(one.state) ? [button("board.give_back", act("decision", { accepted: false }))] : []),
    ...(one.direction === "out" && one.state === "finished" ? [button("board.reopen", act("reopen", {}))] : []),
  ];
  return [
    one.partner,
    one.theirs ?? one.number,
    one.ticket_id ?? "—",
    h("span.chip", { "data-status": one.alarmed ? "away" : null }, word(`exchange.${one.state}`, one.state)),
    one.reason || one.rule || "—",
    moment(one.changed_at),
    one.alarmed ? one.error || t("board.silent") : "—",
    ways.length ? h("span.actions", {}, reason, ...ways) : "—",
  ];
}
