// @ts-check
/**
 * The words on the desktop: Chinese, and English for those who look after the system.
 *
 * Static elements carry `data-i18n="key"`; everything else asks `t(key)`.
 */

import { adminEn } from "./words_admin_en.js";
import { adminZh } from "./words_admin_zh.js";
import { boardEn } from "./words_board_en.js";
import { boardZh } from "./words_board_zh.js";
import { en } from "./words_en.js";
import { zh } from "./words_zh.js";

/** @type {Record<string, Record<string, string>>} */
const WORDS = { zh: { ...zh, ...boardZh, ...adminZh }, en: { ...en, ...boardEn, ...adminEn } };

/** Words that are not an element's text. */
const ATTRIBUTES = [
  ["data-i18n-placeholder", "placeholder"],
  ["data-i18n-label", "aria-label"],
];

const STORED = "hotline.language";
let chosen = localStorage.getItem(STORED) === "en" ? "en" : "zh";

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] for `{name}` in the text
 * @returns {string} the text; the key itself when there is none, so that a gap is seen
 */
export function t(key, values = {}) {
  const text = WORDS[chosen][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * @param {{message: string, chinese: string | null}} refusal
 * @returns {string} what the node says, in the page's language where it can
 */
export const told = ({ message, chinese }) => (chosen === "zh" && chinese) || message;

/** @param {string} key */
export function has(key) {
  return key in WORDS[chosen];
}

/** Puts the words into all static elements of the page. */
export function translatePage() {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  document.title = `12345 ${t("subtitle")}`;
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = t(/** @type {HTMLElement} */ (element).dataset.i18n ?? "");
  }
  for (const [kind, attribute] of ATTRIBUTES) {
    for (const element of document.querySelectorAll(`[${kind}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(kind) ?? ""));
    }
  }
  for (const element of document.querySelectorAll("[data-language]")) {
    element.textContent = t("other_language");
  }
}

/** Changes to the other language and remembers it. */
export function switchLanguage() {
  chosen = chosen === "zh" ? "en" : "zh";
  localStorage.setItem(STORED, chosen);
  translatePage();
}
