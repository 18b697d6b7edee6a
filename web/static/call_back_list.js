// @ts-check
/** Whom to call back: each entry is one click; how it ended is one choice. */

import { has, t } from "./i18n.js";
import { make } from "./page.js";
import { moment } from "./promise.js";

/**
 * @typedef {{id: number, number: string, line: string, reason: string, status: string,
 *   calls: number, attempts: number, last_at: number, due_at: number,
 *   agent_id: string | null, note?: string | null}} Entry
 */

const OUTCOMES = ["reached", "unreachable", "wrong_number", "not_needed"];

/** @param {number} at Unix seconds */
const minute = (at) => new Date(at * 1000).toTimeString().slice(0, 5);

/**
 * @param {Entry} entry
 * @param {object} hooks
 * @param {boolean} hooks.free whether the agent can be rung now
 * @param {(target: string) => string} hooks.nameOf
 * @param {(entry: Entry) => void} hooks.call
 * @param {(entry: Entry, outcome: string) => void} hooks.close
 * @returns {HTMLElement} the entry's row
 */
export function callBackRow(entry, { free, nameOf, call, close }) {
  const row = make("li", "call-back", "", "call-back");
  row.dataset.entry = String(entry.id);
  const named = has(`callback.${entry.reason}`) ? t(`callback.${entry.reason}`) : entry.reason;
  const promised = entry.reason === "scheduled";
  const why = promised ? `${named} ${moment(entry.due_at)}` : named;
  const top = make("span", "listed-top", "");
  top.append(
    make("span", "clock", minute(entry.last_at)),
    make("span", "grow", `${why} · ${nameOf(`line:${entry.line}`)}`),
    make("span", "muted", t("board.times_value", { calls: entry.calls, attempts: entry.attempts })),
  );
  const bottom = make("span", "call-back-acts", "");
  bottom.append(make("span", "grow", entry.number));
  if (entry.status === "calling") {
    bottom.append(make("span", "chip", `${t("callback.calling")} ${entry.agent_id ?? ""}`));
  } else bottom.append(callButton(entry, free, call), endChoice(entry, close));
  row.append(top, bottom);
  if (promised && entry.note) row.append(make("span", "muted", entry.note));
  return row;
}

/** @param {Entry} entry @param {boolean} free @param {(entry: Entry) => void} call */
function callButton(entry, free, call) {
  const button = /** @type {HTMLButtonElement} */ (make("button", "", t("board.call_back"), "call-back-call"));
  button.type = "button";
  button.disabled = !free;
  button.addEventListener("click", () => call(entry));
  return button;
}

/** @param {Entry} entry @param {(entry: Entry, outcome: string) => void} close */
function endChoice(entry, close) {
  const choice = /** @type {HTMLSelectElement} */ (make("select", "", "", "call-back-close"));
  choice.setAttribute("aria-label", `${t("board.close_entry")} ${entry.number}`);
  choice.append(new Option(t("board.close_entry"), ""));
  choice.append(...OUTCOMES.map((outcome) => new Option(t(`callback.${outcome}`), outcome)));
  choice.addEventListener("change", () => choice.value && close(entry, choice.value));
  return choice;
}
