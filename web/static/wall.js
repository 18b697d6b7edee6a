// @ts-check
/** The wall board: read from five metres, without a mouse, at 1920 × 1080. */

import { follow } from "./board_feed.js";
import { fill, h } from "./dom.js";
import { course, fraction, percent, span, time } from "./figures.js";
import { t, translatePage } from "./i18n.js";
import { enter } from "./staff.js";

const BAD = ["away", "no_model", "degraded"];
const ROWS = 7;
const TILES = 30;
/** The goals of the norm; what misses them is red. */
const GOAL = { connected: 95, within: 80, longest: 60 };
/** Who is shown first: those who wait for a call last. */
const ORDER = ["ringing", "reserved", "talking", "wrap_up", "not_ready", "ready"];

/** @param {string} word @param {string} value @param {string} under @param {string} name @param {boolean} [bad] */
function big(word, value, under, name, bad = false) {
  return h(
    "div.big",
    { "data-testid": `big-${name}`, "data-level": bad ? "bad" : null },
    h("span.big-word", {}, t(word)),
    h("strong", {}, value),
    h("span.big-under", {}, under),
  );
}

/** @param {any} share @param {number} goal */
const misses = (share, goal) => share.percent !== null && share.percent < goal;

/** @param {any} figures */
function bigs({ now, today }) {
  const longest = now.longest_wait;
  return [
    big("board.waiting", String(now.waiting), t("board.calls_unit"), "waiting", now.waiting > now.ready && now.waiting > 0),
    big("board.longest", span(longest), t("board.minutes"), "longest", (longest ?? 0) > GOAL.longest),
    big("board.ready", String(now.ready), t("board.of_signed_in", { count: now.signed_in }), "ready"),
    big("board.talking", String(now.states.talking ?? 0), t("board.people_unit"), "talking"),
    big("board.connected", percent(today.connected), fraction(today.connected), "connected", misses(today.connected, GOAL.connected)),
    big("board.within", percent(today.within_15_s), fraction(today.within_15_s), "within", misses(today.within_15_s, GOAL.within)),
    big("board.abandoned", String(today.abandoned), fraction(today.lost), "abandoned"),
  ];
}

/** @param {string} title @param {...(Node | string)} content */
function box(title, ...content) {
  return h("section.box", {}, h("h2", {}, title), ...content);
}

/** @param {any[]} queues */
function queueRows(queues) {
  const busiest = [...queues].sort((a, b) => b.waiting - a.waiting || b.today.calls - a.today.calls);
  return busiest.slice(0, ROWS).map((queue) =>
    h(
      "tr",
      { "data-level": queue.waiting ? "busy" : null },
      h("th", { scope: "row" }, queue.name),
      h("td", {}, String(queue.waiting)),
      h("td", {}, span(queue.longest_wait)),
      h("td", {}, String(queue.today.calls)),
      h("td", {}, percent(queue.today.connected)),
    ),
  );
}

/** @param {any} figures */
function queues({ lines, skills }) {
  const heads = ["board.line", "board.waiting", "board.longest", "board.calls", "board.connected"];
  const head = h("thead", {}, h("tr", {}, ...heads.map((word) => h("th", { scope: "col" }, t(word)))));
  const between = h("tr.between", {}, h("th", { colspan: "5", scope: "colgroup" }, t("board.by_skill")));
  const skillRows = queueRows(skills).slice(0, 3);
  const lineRows = queueRows(lines).slice(0, skillRows.length ? ROWS - 1 : ROWS);
  return box(
    t("board.by_line"),
    h("table", {}, head, h("tbody", {}, ...lineRows, ...(skillRows.length ? [between] : []), ...skillRows)),
  );
}

/** @param {any} agent @returns {string} the key of what he does, in a word that fits a tile */
function stateWord({ state, reason }) {
  if (state === "not_ready" && reason) return `reason.${reason}`;
  return state === "wrap_up" ? "board.wrapping_up" : `state.${state}`;
}

/** @param {any} figures */
function agents({ agents: all, now, at }) {
  const rank = (/** @type {any} */ agent) => ORDER.indexOf(agent.state);
  const sorted = [...all].sort((a, b) => rank(a) - rank(b) || a.since - b.since);
  const tiles = sorted.slice(0, sorted.length > TILES ? TILES - 1 : TILES).map((agent) =>
    h(
      "li.tile",
      { "data-state": agent.state },
      h("span.tile-name", {}, agent.name),
      h("span.tile-state", {}, t(stateWord(agent))),
      h("span.tile-clock", {}, span(at - agent.since)),
    ),
  );
  if (sorted.length > TILES) tiles.push(h("li.tile.more", {}, t("board.more", { count: sorted.length - TILES + 1 })));
  const counts = ORDER.filter((state) => now.states[state]).map((state) =>
    h("span.count", { "data-state": state }, `${t(`state.${state}`)} ${now.states[state]}`),
  );
  return box(t("board.agents"), h("p.counts", {}, ...counts), h("ol.tiles", {}, ...tiles));
}

/** @param {any} figures */
function waiting({ waiting: calls, at }) {
  const rows = calls.slice(0, ROWS - 1).map((/** @type {any} */ call) =>
    h(
      "li.row",
      {},
      h("span.grow", {}, call.name),
      h("span.chip", {}, call.offered_to ? t("state.ringing") : t("board.in_queue")),
      h("strong.clock", {}, span(at - call.arrived_at)),
    ),
  );
  return box(t("board.waiting_calls"), h("ol.rows", {}, ...(rows.length ? rows : [h("li.none", {}, t("board.nobody_waits"))])));
}

/** @param {any} figures */
function urgent({ matters }) {
  const rows = matters.urgent.slice(0, 4).map((/** @type {any} */ one) =>
    h(
      "li.row.urgent",
      {},
      h("span.chip", { "data-level": one.level }, one.level),
      h("span.grow", {}, [one.category, one.street].filter(Boolean).join(" · ") || one.ticket_id),
      h("span.clock", {}, time(one.at)),
    ),
  );
  return box(t("board.urgent"), h("ol.rows", {}, ...(rows.length ? rows : [h("li.none", {}, t("board.none"))])));
}

/** So much more or less than usual, by so many tickets, is a trend rather than chance. */
const TREND = { share: 0.2, tickets: 3 };

/**
 * Today against the usual for the time: more, less, or as ever.
 * @param {number} count
 * @param {number | null} usual
 */
function trend(count, usual) {
  if (usual === null) return h("span.trend", {}, "");
  const more = count - usual;
  if (Math.abs(more) < TREND.tickets || Math.abs(more) < TREND.share * usual) return h("span.trend", {}, t("board.as_usual"));
  if (usual < 1) return h("span.trend", { "data-trend": "up" }, t("board.new_topic"));
  return h("span.trend", { "data-trend": more > 0 ? "up" : "down" }, `${more > 0 ? "↑" : "↓"} ${Math.round((100 * Math.abs(more)) / usual)}%`);
}

/** @param {string} title @param {{name: string, count: number, usual: number | null}[]} ranks @param {number} whole */
function ranking(title, ranks, whole) {
  const most = Math.max(1, ...ranks.map(({ count }) => count));
  const rows = ranks.slice(0, 5).map(({ name, count, usual }) => {
    const bar = h("span.bar-fill");
    bar.style.width = `${(100 * count) / most}%`;
    return h("li.rank", {}, h("span.grow", {}, name), h("span.bar-back", {}, bar), h("strong", {}, String(count)), trend(count, usual));
  });
  return box(title, h("ol.rows", {}, ...(rows.length ? rows : [h("li.none", {}, t("board.none"))])), h("p.under", {}, `${t("board.of_tickets", { count: whole })} · ${t("board.trend_of")}`));
}

/** @param {any} services @returns {string[]} */
function alarms(services) {
  return Object.entries(services)
    .filter(([, part]) => BAD.includes(/** @type {any} */ (part).status))
    .map(([part, how]) => `${t(`part.${part}`)}${t(`status.${/** @type {any} */ (how).status}`)}`);
}

/** @param {HTMLElement} main */
function show(main) {
  const clock = h("span.wall-clock", { "data-testid": "wall-clock" });
  const alarm = h("p.alarm", { "data-testid": "alarm", role: "status" });
  const body = h("div.wall-body", { "data-testid": "wall" });
  fill(document.body, h("div.wall", {}, h("header.wall-bar", {}, h("h1", {}, t("board.wall_title")), alarm, clock), main));
  fill(main, body);
  return follow(
    (figures) => {
      const { matters } = figures;
      clock.textContent = new Date(figures.at * 1000).toLocaleTimeString("zh-CN", { hour12: false });
      const troubles = alarms(figures.services);
      alarm.textContent = troubles.join(" · ") || t("services_ok");
      alarm.dataset.level = troubles.length ? "bad" : "ok";
      fill(
        body,
        h("div.bigs", {}, ...bigs(figures)),
        queues(figures),
        agents(figures),
        h("div.stack", {}, waiting(figures), urgent(figures)),
        box(t("board.course"), course(figures.course)),
        ranking(t("board.topics"), matters.topics, matters.tickets),
        ranking(t("board.streets"), matters.streets, matters.tickets),
      );
    },
    (connected) => {
      if (connected) return;
      alarm.textContent = t("board.lost");
      alarm.dataset.level = "bad";
    },
  );
}

translatePage();
await enter("board.wall", ["supervisor", "admin"], (_account, main) => void show(main));
