// @ts-check
/** What a new agent does first, each step marked once it is done; shown while there is no ticket. */

import { t } from "./i18n.js";
import { byId, make } from "./page.js";

/** @typedef {import("./state.js").State} State */

let drawn = "";

/**
 * @param {State} state
 * @param {boolean} phoneOffered whether the page's own phone can be turned on
 */
export function showFirstSteps({ presence }, phoneOffered) {
  const registered = (presence?.phones ?? 0) > 0;
  const ready = ["ready", "reserved", "ringing", "talking"].includes(presence?.state ?? "");
  const phone = phoneOffered ? "first_phone" : "first_desk_phone";
  /** @type {[string, boolean][]} */
  const steps = [
    [t(phone), registered],
    [t("first_ready"), ready],
    [t("first_answer"), false],
    [t("first_check"), false],
    [t("first_submit"), false],
  ];
  const now = JSON.stringify(steps);
  if (now === drawn) return;
  drawn = now;
  const next = steps.findIndex(([, done]) => !done);
  const rows = steps.map(([text, done], n) => {
    const row = make("li", "", text, "first-step");
    row.dataset.done = String(done);
    if (n === next) row.setAttribute("aria-current", "step");
    return row;
  });
  byId("first-steps").replaceChildren(...rows);
}
