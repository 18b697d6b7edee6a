// @ts-check
/** Lines, rules, groups, skills, reasons and holidays: forms over the routing document. */

import { documentPage } from "./document.js";

/** @typedef {import("./document.js").Section} Section */

/** @type {Section[]} */
const SECTIONS = [
  {
    name: "lines",
    word: "routing.lines",
    keyWord: "form.dialled",
    columns: ["skills", "language", "rule", "hours", "on_holidays", "closed"],
    fields: [
      { name: "skills", kind: "list" },
      { name: "language", kind: "text", nullable: true },
      { name: "rule", kind: "text" },
      { name: "priority", kind: "number" },
      { name: "hours", kind: "list" },
      { name: "on_holidays", kind: "check", initial: true },
      { name: "closed", kind: "choice", options: ["refuse", "queue", "announce", "call_back"], prefix: "closed" },
    ],
  },
  {
    name: "rules",
    word: "routing.rules",
    keyWord: "form.key",
    columns: ["priority", "steps"],
    fields: [
      { name: "priority", kind: "number" },
      {
        name: "steps",
        kind: "rows",
        fields: [
          { name: "after", kind: "number" },
          { name: "skills", kind: "list", word: "form.other_skills" },
          { name: "level", kind: "number" },
          { name: "groups", kind: "list" },
          { name: "lent", kind: "check" },
          { name: "to", kind: "text", nullable: true },
          { name: "call_back", kind: "check" },
        ],
      },
    ],
  },
  {
    name: "groups",
    word: "routing.groups",
    keyWord: "form.key",
    columns: ["name", "kind", "keep"],
    fields: [
      { name: "name", kind: "text" },
      { name: "kind", kind: "choice", options: ["own", "outsourced", "linkage"], prefix: "group_kind" },
      { name: "keep", kind: "number" },
    ],
  },
  {
    name: "agents",
    word: "routing.agents",
    keyWord: "agent_id",
    columns: ["skills", "group"],
    fields: [
      { name: "skills", kind: "levels", word: "form.skill_levels" },
      { name: "group", kind: "text", nullable: true },
    ],
  },
  {
    name: "callers",
    word: "routing.callers",
    keyWord: "form.key",
    columns: ["number", "skills", "priority"],
    fields: [
      { name: "number", kind: "text", word: "form.number_pattern" },
      { name: "skills", kind: "list" },
      { name: "priority", kind: "number" },
    ],
  },
  {
    name: "reasons",
    word: "routing.reasons",
    keyWord: "form.key",
    columns: ["name", "minutes", "strict"],
    fields: [
      { name: "name", kind: "text" },
      { name: "minutes", kind: "number" },
      { name: "strict", kind: "check" },
    ],
  },
];

const GENERAL = {
  word: "routing.general",
  fields: /** @type {import("./entry_form.js").Field[]} */ ([
    { name: "holidays", kind: "lines" },
    { name: "default_skills", kind: "levels" },
    { name: "default_group", kind: "text" },
    { name: "partner_rule", kind: "text" },
    { name: "preferred_days", kind: "number" },
    { name: "preferred_seconds", kind: "number" },
    { name: "call_back_priority", kind: "number" },
  ]),
};

/** @param {HTMLElement} panel */
export const routing = (panel) => documentPage(panel, "routing", SECTIONS, GENERAL);
