// @ts-check
/** How long units have: days that are worked and days that are not, working days by type and urgency. */

import { documentPage } from "./document.js";

const GENERAL = {
  word: "handling.general",
  fields: /** @type {import("./entry_form.js").Field[]} */ ([
    { name: "holidays", kind: "lines", word: "handling.holidays", hint: "hint.days_off" },
    { name: "workdays", kind: "lines", word: "handling.workdays", hint: "hint.workdays" },
    { name: "working_days", kind: "number", word: "handling.working_days" },
    { name: "working_days_by_type", kind: "levels", word: "handling.by_type", hint: "hint.days_by_type" },
    { name: "working_days_by_urgency", kind: "levels", word: "handling.by_urgency", hint: "hint.days_by_urgency" },
  ]),
};

/** @param {HTMLElement} panel */
export const handling = (panel) => documentPage(panel, "handling", [], GENERAL);
