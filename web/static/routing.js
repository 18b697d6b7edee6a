// @ts-check
/** Groups, lines, rules, reasons and the rest of the routing document: changed while calls go on. */

import { fill, h, table } from "./dom.js";
import { moment } from "./figures.js";
import { t } from "./i18n.js";
import { ask, attempt } from "./staff.js";

const SECTIONS = ["lines", "rules", "groups", "agents", "callers", "reasons"];

/** @param {string} section @param {string} name @param {number} version */
const path = (section, name, version) =>
  `/routing/${encodeURIComponent(section)}/${encodeURIComponent(name)}?version=${version}`;

/** @param {HTMLElement} panel */
export function routing(panel) {
  const body = h("div.stacked", { "data-testid": "routing" });
  fill(panel, body);
  const load = () =>
    attempt(async () => {
      const [{ version, document: rules }, changes] = await Promise.all([
        ask("GET", "/routing"),
        ask("GET", "/routing/changes?limit=30"),
      ]);
      const again = () => void load();
      const cards = SECTIONS.map((section) => card(section, rules[section] ?? {}, version, again));
      fill(body, general(rules, version, again), ...cards, trail(changes.items));
    });
  void load();
}

/**
 * What is not a list of entries: holidays, what everybody has.
 * @param {Record<string, any>} rules the whole document
 * @param {number} version
 * @param {() => void} onChanged
 */
function general(rules, version, onChanged) {
  const rest = Object.fromEntries(Object.entries(rules).filter(([name]) => !SECTIONS.includes(name)));
  const text = /** @type {HTMLTextAreaElement} */ (h("textarea.markdown", { rows: 9, "aria-label": t("routing.general") }, JSON.stringify(rest, null, 1)));
  const save = async () => {
    const changed = parsed(text.value);
    const whole = typeof changed === "object" ? { ...rules, ...changed } : changed;
    if (await attempt(() => ask("PUT", `/routing?version=${version}`, whole), t("saved"))) onChanged();
  };
  return h("section.card.stacked", {}, h("h2", {}, t("routing.general")), text, h("span.actions", {}, h("button", { type: "button", onClick: save }, t("board.save"))));
}

/**
 * @param {string} section
 * @param {Record<string, any>} entries
 * @param {number} version
 * @param {() => void} onChanged
 */
function card(section, entries, version, onChanged) {
  /** @param {string} name @param {any} value */
  const editor = (name, value) => {
    const text = /** @type {HTMLTextAreaElement} */ (h("textarea.markdown", { rows: 3, "aria-label": `${section} ${name}` }, JSON.stringify(value, null, 1)));
    return [name, text, buttons(() => name, text, name)];
  };
  /** @param {() => string} named @param {HTMLTextAreaElement} text @param {string} [removable] */
  const buttons = (named, text, removable) => {
    const save = async () => {
      const put = () => ask("PUT", path(section, named(), version), parsed(text.value));
      if (await attempt(put, t("saved"))) onChanged();
    };
    const remove = async () => {
      if (await attempt(() => ask("DELETE", path(section, named(), version)), t("board.done"))) onChanged();
    };
    return h(
      "span.actions",
      {},
      h("button", { type: "button", onClick: save }, t("board.save")),
      removable === undefined ? null : h("button", { type: "button", onClick: remove }, t("board.remove")),
    );
  };
  const name = /** @type {HTMLInputElement} */ (h("input", { maxlength: 64, placeholder: t("board.new_entry"), "aria-label": `${section} ${t("board.new_entry")}` }));
  const fresh = /** @type {HTMLTextAreaElement} */ (h("textarea.markdown", { rows: 3, "aria-label": `${section} ${t("board.value")}` }, "{}"));
  const rows = [...Object.entries(entries).map(([key, value]) => editor(key, value)), [name, fresh, buttons(() => name.value, fresh)]];
  return h("section.card", {}, h("h2", {}, t(`routing.${section}`)), table(section, [t("board.entry"), t("board.value"), t("board.actions")], rows));
}

/** @param {string} text @returns {unknown} what it says; the server names what is wrong with a text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {any[]} changes */
function trail(changes) {
  const code = (/** @type {unknown} */ value) => h("code", {}, JSON.stringify(value ?? null));
  const rows = changes.map((one) => [moment(one.at), one.who, one.subject, code(one.before), code(one.after)]);
  const heads = ["board.when", "board.who", "board.subject", "board.before_change", "board.after_change"].map((word) => t(word));
  return h("section.card", {}, h("h2", {}, t("board.changes")), table(t("board.changes"), heads, rows, t("board.none")));
}
