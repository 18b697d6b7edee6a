// @ts-check
/** Who looks at something, and when, written all over it: a photograph of it says who took it. */

import { h } from "./dom.js";

const MARKS = 12;

/**
 * @param {HTMLElement} element
 * @param {string} who
 */
export function watermark(element, who) {
  const now = new Date().toLocaleString("zh-CN", { hour12: false });
  const marks = Array.from({ length: MARKS }, () => h("span", {}, `${who} ${now}`));
  const sheet = h("div.watermark", { "aria-hidden": "true", "data-testid": "watermark" }, ...marks);
  const before = element.querySelector(":scope > .watermark");
  element.classList.add("marked");
  if (before) before.replaceWith(sheet);
  else element.append(sheet);
}
