// @ts-check
/** Why an agent may be not ready: the city's list, and how long a day each is meant to take. */

import { has, t } from "./i18n.js";
import { make } from "./page.js";

/** @typedef {{reason: string, name: string, minutes: number}} Reason */

/** @type {Map<string, Reason>} */
let known = new Map();

/** @type {Map<string, {minutes: number, strict: boolean, used_seconds: number}>} */
let used = new Map();

/** @param {{reason: string, minutes: number, strict: boolean, used_seconds: number}[]} breaks today's, the agent's own */
export function learnUsed(breaks) {
  used = new Map(breaks.map((one) => [one.reason, one]));
}

/** @param {string} reason @param {number} minutes a day @returns {string} how much of them is left, as far as it is known */
function allowance(reason, minutes) {
  const spent = used.get(reason);
  if (!spent) return t("reason_minutes", { minutes });
  const left = Math.ceil(minutes - spent.used_seconds / 60);
  return left > 0 ? t("reason_left", { left, minutes }) : t("reason_used_up", { minutes });
}

/** @param {Reason[]} reasons the list in force */
export function learn(reasons) {
  known = new Map(reasons.map((one) => [one.reason, one]));
}

/**
 * What a reason is called: in our own words where there are, for they come in both languages.
 * @param {string} key
 */
export function nameOf(key) {
  return has(`reason.${key}`) ? t(`reason.${key}`) : (known.get(key)?.name ?? key);
}

/**
 * Whether a spell of not being ready lasts longer than all of the day's allowance.
 * @param {string | null} key
 * @param {number} seconds
 */
export function isOver(key, seconds) {
  const minutes = known.get(key ?? "")?.minutes ?? 0;
  return minutes > 0 && seconds > 60 * minutes;
}

/**
 * Draws the menu of reasons; before the list is known it stays as it is.
 * @param {HTMLElement} menu
 * @param {(reason: string) => void} choose
 */
export function drawMenu(menu, choose) {
  const items = [...known.values()].map(({ reason, minutes }) => {
    const item = make("button", "", nameOf(reason), `reason-${reason}`);
    item.setAttribute("role", "menuitem");
    item.dataset.reason = reason;
    if (minutes) item.append(make("span", "allowance", allowance(reason, minutes)));
    const { strict = false, used_seconds: spent = 0 } = used.get(reason) ?? {};
    /** @type {HTMLButtonElement} */ (item).disabled = strict && minutes > 0 && spent >= 60 * minutes;
    item.addEventListener("click", () => choose(reason));
    return item;
  });
  if (items.length) menu.replaceChildren(...items);
}
