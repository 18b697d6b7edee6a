// @ts-check
/** What the forms of text documents hold: urgency, topics, categories, names. */

/** @typedef {import("./rows.js").List} List */

const LEVELS = ["特急", "紧急", "一般"];
const KINDS = ["突发", "敏感", "集中", "重要"];
const PARTNERS = ["", "110", "119", "120", "122"];
const GUARDS = ["denied", "past", "denied_within", "past_after", "settled", "still_going", "supposed", "closing", "grave", "unhurt", "not_unhurt", "yesterday", "still", "hearsay", "asked", "turn"];
/** The fields of a ticket that a question may ask for. */
const ASKED = ["", "name", "title", "phone", "address", "time", "type", "category", "topic", "party", "content", "secret", "repeat", "urgency", "urgency_reason", "transfer"];

/** @type {Record<string, List[]>} */
export const LISTS = {
  urgency: [
    {
      name: "rule",
      word: "rows.rule",
      named: ["level", "reason"],
      columns: ["level", "kind", "reason", "transfer", "category", "any"],
      ordered: true,
      fields: [
        { name: "level", kind: "choice", options: LEVELS, initial: LEVELS[0], word: "field.urgency" },
        { name: "kind", kind: "choice", options: KINDS, initial: KINDS[0], word: "form.urgency_kind" },
        { name: "reason", kind: "text", word: "board.why" },
        { name: "transfer", kind: "choice", options: PARTNERS, nullable: true },
        { name: "category", kind: "text", nullable: true, word: "field.category" },
        { name: "any", kind: "patterns" },
        { name: "all", kind: "patterns" },
        { name: "not", kind: "patterns" },
        { name: "lifted", kind: "patterns" },
      ],
    },
    {
      name: "guards",
      word: "rows.guards",
      named: ["name"],
      columns: ["name", "pattern"],
      fields: [
        { name: "name", kind: "choice", options: GUARDS, prefix: "guard", initial: GUARDS[0], word: "form.guard" },
        { name: "pattern", kind: "patterns" },
      ],
    },
  ],
  templates: [
    {
      name: "topic",
      word: "rows.topic",
      named: ["name"],
      columns: ["id", "name", "categories", "cues", "ask"],
      ordered: true,
      fields: [
        { name: "id", kind: "text", word: "form.key" },
        { name: "name", kind: "text" },
        { name: "categories", kind: "list", word: "field.category" },
        { name: "cues", kind: "words" },
        {
          name: "ask",
          kind: "rows",
          add: "form.add_question",
          wide: true,
          fields: [
            { name: "question", kind: "text" },
            { name: "field", kind: "choice", options: ASKED, prefix: "field", nullable: true, word: "form.answered_by" },
            { name: "signs", kind: "patterns" },
          ],
        },
      ],
    },
  ],
  categories: [
    {
      name: "category",
      word: "rows.category",
      named: ["category", "topic"],
      columns: ["category", "topic", "words"],
      ordered: true,
      fields: [
        { name: "category", kind: "text", word: "field.category" },
        { name: "topic", kind: "text", word: "field.topic" },
        { name: "words", kind: "words" },
      ],
    },
  ],
  gazetteer: [
    {
      name: "names",
      word: "rows.names",
      named: ["name"],
      columns: ["name", "kind", "also"],
      fields: [
        { name: "name", kind: "text" },
        { name: "kind", kind: "text", word: "form.place_kind" },
        { name: "also", kind: "list" },
      ],
    },
  ],
};
