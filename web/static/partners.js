// @ts-check
/** Other hotlines and specialists: numbers in their order, hours, and which data may go to whom. */

import { documentPage } from "./document.js";

/** The fields of a ticket that a partner may be given. */
const SHARED = ["name", "title", "phone", "address", "type", "category", "topic", "time", "urgent", "urgency", "urgency_reason", "secret", "repeat", "party", "content"];

/** @param {HTMLElement} panel */
export const partners = (panel) =>
  documentPage(panel, "partners", [
    {
      name: "partners",
      word: "partners.partners",
      keyWord: "form.key",
      columns: ["name", "numbers", "topics", "hours", "one_key", "shares"],
      fields: [
        { name: "name", kind: "text" },
        { name: "numbers", kind: "list" },
        { name: "topics", kind: "list" },
        { name: "hours", kind: "text", nullable: true, word: "form.partner_hours" },
        { name: "one_key", kind: "choice", options: ["blind", "consult", "conference"], prefix: "one_key" },
        { name: "trunks", kind: "list" },
        { name: "calls_from", kind: "list" },
        { name: "tell_withheld", kind: "check" },
        { name: "shares", kind: "checks", options: SHARED, prefix: "field" },
      ],
    },
    {
      name: "experts",
      word: "partners.experts",
      keyWord: "form.key",
      columns: ["name", "topics", "agent", "numbers", "duty"],
      fields: [
        { name: "name", kind: "text" },
        { name: "topics", kind: "list" },
        { name: "agent", kind: "text", nullable: true, word: "agent_id" },
        { name: "numbers", kind: "list" },
        { name: "duty", kind: "list" },
      ],
    },
  ]);
