// @ts-check
/**
 * Whether somebody sits at the page. A session ends when nobody has done anything for long; what a
 * page asks for by itself, by its timers, must not count, so it says with each request.
 */

const ATTENDED_MS = 60_000;

let last = performance.now(); // whoever opens a page is there
let told = last;

/** Headers that tell the server when nobody is there. @returns {Record<string, string>} */
export function attendance() {
  const now = performance.now();
  /** @type {Record<string, string>} */
  const headers = {};
  if (now - last > ATTENDED_MS) headers["X-Unattended"] = "1";
  else told = now;
  return headers;
}

/**
 * Has the server told of somebody who moves and types but asks for nothing.
 * @param {() => void} tell sends a request; called once a minute at most
 */
export function watch(tell) {
  const seen = () => {
    last = performance.now();
    if (last - told <= ATTENDED_MS) return;
    told = last;
    tell();
  };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
    window.addEventListener(kind, seen, { passive: true, capture: true });
  }
}
