// @ts-check
/**
 * The second window, for a second monitor: transcript and knowledge large, and nothing else. It is the same
 * page with the same session and its own feed, so both windows show the same at the same time.
 */

import { byId } from "./page.js";

const WANTED = "aside";
const LOOK_MS = 2000;

/** Whether this window is the second one. */
export const isAside = new URLSearchParams(location.search).get("window") === WANTED;

/** Opens it, or brings it to the front. */
export function openAside() {
  window.open(`/?window=${WANTED}`, WANTED, "popup,width=1100,height=900")?.focus();
}

/** Makes this window the second one; it goes with the first, so a desk that is closed is closed. */
export function beAside() {
  document.documentElement.dataset.window = WANTED;
  byId("aside").hidden = true;
  setInterval(() => {
    if (!window.opener || window.opener.closed) window.close();
  }, LOOK_MS);
}
