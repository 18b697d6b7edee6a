// @ts-check
/** What may help the agent now: questions still to ask, entries to quote, open tickets like this. */

import { t } from "./i18n.js";
import { byId, make } from "./page.js";

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {number} version
 * @property {string} title
 * @property {string} source
 * @property {string} snippet
 * @property {{name: string, unit: string, phone: string}[]} experts
 */

/**
 * @typedef {object} Help
 * @property {string | null} topic
 * @property {string[]} questions
 * @property {Entry[]} knowledge
 * @property {{ticket_id: string, address: string | null, category: string | null, unit: string | null, status: string}[]} similar
 * @property {string[]} summary
 */

export class HelpPanel {
  /** @param {{onQuote: (entry: Entry) => void}} hooks */
  constructor({ onQuote }) {
    this.onQuote = onQuote;
    this.shown = "";
  }

  /** @param {Help | null} help @param {boolean} mayQuote */
  show(help, mayQuote) {
    const now = JSON.stringify([help, mayQuote, document.documentElement.lang]);
    if (now === this.shown) return; // leave the reader's place and focus alone
    this.shown = now;
    const parts = help
      ? [
          ...this.list("help-questions", "help_questions", help.questions.map(question)),
          ...this.list("help-knowledge", "help_knowledge", help.knowledge.map((entry) => this.entry(entry, mayQuote))),
          ...this.list("help-similar", "help_similar", help.similar.map(similar)),
          ...this.list("help-summary", "help_summary", help.summary.map((text) => make("li", "", text))),
        ]
      : [];
    byId("help").replaceChildren(...(parts.length ? parts : [make("p", "empty", t("help_none"))]));
  }

  /** @param {string} testid @param {string} key @param {HTMLElement[]} rows */
  list(testid, key, rows) {
    if (!rows.length) return [];
    const list = make("ul", "help-list", "", testid);
    list.append(...rows);
    return [make("h3", "help-heading", t(key)), list];
  }

  /** @param {Entry} entry @param {boolean} mayQuote */
  entry(entry, mayQuote) {
    const row = make("li", "help-entry", "", "help-entry");
    const quote = /** @type {HTMLButtonElement} */ (make("button", "link", t("quote"), "quote"));
    quote.type = "button";
    quote.hidden = !mayQuote;
    quote.addEventListener("click", () => this.onQuote(entry));
    const top = make("span", "listed-top", "");
    top.append(make("strong", "grow", entry.title), quote);
    row.append(top, make("span", "", entry.snippet), make("span", "muted", entry.source));
    for (const { name, unit, phone } of entry.experts) {
      row.append(make("span", "chip", t("expert_on_duty", { name, unit, phone })));
    }
    return row;
  }
}

/** @param {string} text */
function question(text) {
  return make("li", "help-question", text);
}

/** @param {{ticket_id: string, address: string | null, category: string | null, unit: string | null, status: string}} ticket */
function similar(ticket) {
  const row = make("li", "", "");
  const what = [ticket.category, ticket.address].filter(Boolean).join(" · ");
  row.append(make("span", "mono", ticket.ticket_id), make("span", "", what));
  row.append(make("span", "muted", [t(`ticket.${ticket.status}`), ticket.unit].filter(Boolean).join(" · ")));
  return row;
}
