// @ts-check
/** The bar on top and the banners below it: who, which state, what is wrong. */

import { t } from "./i18n.js";
import { isOver, nameOf as reason } from "./reasons.js";
import { byId, make, setText } from "./page.js";
import { clock } from "./transcript.js";

/** @typedef {import("./state.js").State} State */

const BAD = ["away", "no_model", "degraded"];

/** @param {State} state */
export function showHeader(state) {
  const { agent, presence } = state;
  const { id = "", name: called = "" } = agent ?? {};
  setText(byId("agent-name"), called);
  setText(byId("agent-number"), called.includes(id) ? "" : id); // 坐席1001 need not be told twice
  const name = presence?.state ?? "signed_out";
  byId("state").dataset.state = name;
  const why = name === "not_ready" && presence?.reason ? ` · ${reason(presence.reason)}` : "";
  setText(byId("state-name"), t(`state.${(name === "talking" && presence?.talk) || name}`) + why);
  const next = presence?.pending ? t(`pending_${presence.pending}`) : "";
  const nextWhy = presence?.pending_reason ? ` · ${reason(presence.pending_reason)}` : "";
  setText(byId("state-pending"), next && next + nextWhy);
  const held = ["reserved", "ringing", "talking"].includes(name);
  const ready = /** @type {HTMLButtonElement} */ (byId("ready"));
  ready.disabled = !state.connected || name === "ready" || (held && !presence?.pending);
  const signOut = /** @type {HTMLButtonElement} */ (byId("sign-out"));
  signOut.disabled = held;
  const registered = (presence?.phones ?? 0) > 0;
  setText(byId("phone"), t(registered ? "phone_on" : "phone_off"));
  byId("phone").dataset.level = registered ? "ok" : "bad";
  showServices(state);
}

/** @param {State} state */
function showServices({ services }) {
  const troubled = Object.entries(services).filter(([, part]) => BAD.includes(part.status));
  const text = troubled.map(([part, { status }]) => `${t(`part.${part}`)}${t(`status.${status}`)}`);
  const element = byId("services");
  const off = services.recogniser?.status === "off" ? t("recogniser_off") : t("services_ok");
  setText(element, text.length ? text.join(" · ") : off);
  element.dataset.level = text.length ? "bad" : "ok";
  element.title = troubled.map(([part, { detail }]) => (detail ? `${part}: ${detail}` : part)).join("\n");
}

/**
 * The clock of the present state.
 * @param {State} state
 * @param {number} now Unix seconds of the server
 */
export function showStateClock({ presence }, now) {
  const seconds = presence ? now - presence.since : 0;
  setText(byId("state-clock"), presence ? clock(seconds) : "");
  const over = presence?.state === "not_ready" && isOver(presence.reason, seconds);
  byId("state").dataset.over = String(over);
}

/**
 * @param {State} state
 * @returns {[string, string][]} what to say, [level, key], the most pressing first
 */
function troubles({ agent, connected, services, presence }) {
  /** @type {[string, string][]} */
  const found = [];
  if (!connected) return agent ? [["bad", "lost"]] : [];
  const status = (/** @type {string} */ part) => services[part]?.status ?? "ok";
  if (status("database") !== "ok") found.push(["bad", "database"]);
  if (status("media") !== "ok") found.push(["bad", "media"]);
  if (["no_model", "degraded"].includes(status("recogniser"))) {
    found.push(["warn", status("recogniser")]);
  }
  if (status("recogniser") === "away") found.push(["warn", "recogniser"]);
  if (status("redis") !== "ok") found.push(["warn", "redis"]);
  if (presence && presence.state !== "signed_out" && presence.phones === 0) {
    found.push(["warn", "phone"]);
  }
  if (presence?.state === "not_ready" && ["missed", "unreachable"].includes(presence.reason ?? "")) {
    found.push(["warn", presence.reason ?? ""]);
  }
  if (presence?.state === "not_ready" && presence.over) found.push(["warn", "break_over"]);
  return found;
}

/** @param {State} state */
export function showBanners(state) {
  const banners = byId("banners");
  const wanted = troubles(state).map(([level, key]) => {
    const detail = ["no_model", "degraded"].includes(key) ? state.services.recogniser?.detail : null;
    const banner = make("p", `banner ${level}`, t(`banner.${key}`), `banner-${key}`);
    if (detail) banner.title = detail;
    return banner;
  });
  const same = (/** @type {Iterable<Element>} */ all) => [...all].map((e) => e.textContent).join("\n");
  if (same(wanted) !== same(banners.children)) banners.replaceChildren(...wanted);
}
