// @ts-check
/** A document of tables: its entries in forms, its changes with before and after, earlier versions. */

import { ApiError } from "./api.js";
import { fill, h, table } from "./dom.js";
import { entryForm, label, optionWord } from "./entry_form.js";
import { moment } from "./figures.js";
import { has, t, told } from "./i18n.js";
import { ask, attempt } from "./staff.js";

/** @typedef {import("./entry_form.js").Field} Field */
/**
 * @typedef {object} Section
 * @property {string} name
 * @property {string} word its heading
 * @property {string} keyWord what an entry's name is called
 * @property {Field[]} fields
 * @property {string[]} columns the fields that the table shows
 */

const segment = encodeURIComponent;
const TRAIL = 30;

/** So much of a cell is shown of what may be long. */
const BRIEF = 70;

/** @param {string} text */
const cut = (text) => (text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text);

/** @param {Field} field @param {any} value @returns {string} for a table */
export function brief(field, value) {
  if (field.kind === "patterns" || field.kind === "words") return cut((value ?? []).join("、")) || "—";
  if (field.kind === "rows" && field.wide) return cut(value.map((/** @type {any} */ one) => Object.values(one)[0]).join("；")) || "—";
  if (field.kind === "rows") return value.map((/** @type {any} */ one) => step(field.fields ?? [], one)).join("；") || "—";
  if (field.kind === "choice") return optionWord(field, value ?? "");
  if (field.kind === "checks") return value.map((/** @type {string} */ one) => optionWord(field, one)).join("、") || "—";
  if (value === null || value === undefined || value === "") return "—";
  if (value === true) return t("form.yes");
  if (value === false) return t("form.no");
  if (Array.isArray(value)) return value.join("、") || "—";
  if (typeof value === "object") return Object.entries(value).map(([name, one]) => `${name}=${one}`).join("、") || "—";
  return String(value);
}

/** @param {Field[]} fields @param {any} one @returns {string} a small form's values, without what is usual */
function step(fields, one) {
  const [first, ...rest] = fields;
  const named = rest.filter((field) => one[field.name] && one[field.name].length !== 0).map((field) => (one[field.name] === true ? label(field) : `${label(field)} ${brief(field, one[field.name])}`));
  return [`${label(first)} ${brief(first, one[first.name])}`, ...named].join(" ");
}

/**
 * Shows a document's page.
 * @param {HTMLElement} panel
 * @param {string} name the document's
 * @param {Section[]} sections
 * @param {{word: string, fields: Field[]} | null} [general] what stands outside of the tables
 */
export function documentPage(panel, name, sections, general = null) {
  const body = h("div.stacked", { "data-testid": `document-${name}` });
  fill(panel, body);
  const load = () =>
    attempt(async () => {
      const [shown, changes] = await Promise.all([ask("GET", `/documents/${name}`), ask("GET", `/documents/${name}/changes?limit=${TRAIL}`)]);
      const again = () => void load();
      fill(
        body,
        general ? generalCard(name, general, shown, again) : null,
        ...sections.map((section) => sectionCard(name, section, shown, again)),
        trailCard(name, shown, changes.items, again),
      );
    });
  void load();
}

/**
 * Does something with a form; what the server refuses stands at its field.
 * @param {ReturnType<typeof entryForm>} made
 * @param {number} depth how many parts of the server's field come before the form's own
 * @param {() => Promise<unknown>} work
 */
async function fromForm(made, depth, work) {
  return attempt(async () => {
    try {
      await work();
    } catch (failure) {
      if (failure instanceof ApiError && failure.status < 500) made.refuse((failure.field ?? "").split(".").slice(depth), told(failure));
      throw failure;
    }
  }, t("saved"));
}

/**
 * @param {string} name
 * @param {Section} section
 * @param {any} shown the document
 * @param {() => void} onChanged
 */
function sectionCard(name, section, shown, onChanged) {
  const entries = shown.document[section.name] ?? {};
  const columns = section.fields.filter((field) => section.columns.includes(field.name));
  const place = h("div");
  const path = (/** @type {string} */ key) => `/documents/${name}/entries/${segment(section.name)}/${segment(key)}?version=${shown.version}`;
  /** @param {string | null} key @param {HTMLElement} opener */
  const edit = (key, opener) => {
    const made = entryForm({
      fields: section.fields,
      key,
      keyWord: section.keyWord,
      value: key === null ? {} : entries[key],
      title: `${t(section.word)} ${key ?? t("board.new_entry")}`,
      save: async (named, entry) => {
        const depth = 1 + named.split(".").length;
        if (await fromForm(made, depth, () => ask("PUT", path(named), { entry }))) onChanged();
      },
      cancel: () => (fill(place), opener.focus()),
    });
    fill(place, made.form);
    made.focus();
  };
  /** @param {string} key */
  const remove = async (key) => {
    if (!window.confirm(t("form.really_remove", { name: key }))) return;
    if (await attempt(() => ask("DELETE", path(key)), t("board.done"))) onChanged();
  };
  const rows = Object.entries(entries).map(([key, entry]) => [
    h("strong", {}, key),
    ...columns.map((field) => brief(field, entry[field.name])),
    h(
      "span.actions",
      {},
      h("button", { type: "button", "aria-label": `${t("form.edit")} ${key}`, "data-testid": `edit-${section.name}-${key}`, onClick: (/** @type {Event} */ event) => edit(key, /** @type {HTMLElement} */ (event.currentTarget)) }, t("form.edit")),
      h("button", { type: "button", "aria-label": `${t("board.remove")} ${key}`, onClick: () => remove(key) }, t("board.remove")),
    ),
  ]);
  const heads = [t(section.keyWord), ...columns.map(label), t("board.actions")];
  const add = h("button", { type: "button", "data-testid": `new-${section.name}`, onClick: (/** @type {Event} */ event) => edit(null, /** @type {HTMLElement} */ (event.currentTarget)) }, t("form.new"));
  return h("section.card", { "data-testid": `section-${section.name}` }, h("h2", {}, t(section.word), h("span.end", {}, add)), table(t(section.word), heads, rows, t("board.none")), place);
}

/**
 * @param {string} name
 * @param {{word: string, fields: Field[]}} general
 * @param {any} shown
 * @param {() => void} onChanged
 */
function generalCard(name, general, shown, onChanged) {
  const made = entryForm({
    fields: general.fields,
    value: shown.document,
    title: t(general.word),
    whole: true,
    save: async (_key, values) => {
      const document = { ...shown.document, ...values };
      if (await fromForm(made, 0, () => ask("PUT", `/documents/${name}?version=${shown.version}`, { document }))) onChanged();
    },
  });
  return h("section.card", { "data-testid": "section-general" }, made.form);
}

/** @param {any} before @param {any} after @returns {Node[]} both, where they differ */
export const beforeAndAfter = (before, after) => [written(differing(before, after)), written(differing(after, before))];

/** @param {any} value @param {any} other @returns {Record<string, any> | any} only what differs */
function differing(value, other) {
  const tables = [value, other].every((one) => one && typeof one === "object" && !Array.isArray(one));
  if (!tables) return value;
  return Object.fromEntries(Object.entries(value).filter(([name, one]) => JSON.stringify(one) !== JSON.stringify(other[name])));
}

/** @param {string} name an option's @returns {string} its label, where a form has one */
function named(name) {
  const key = ["form", "handling", "field"].map((prefix) => `${prefix}.${name}`).find(has);
  return key ? t(key) : name;
}

/** @param {unknown} value @returns {string} as a reader would say it */
function plain(value) {
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value === "boolean") return t(value ? "form.yes" : "form.no");
  if (Array.isArray(value)) return value.map(plain).join("、") || "—";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, one]) => `${named(name)}=${plain(one)}`).join("，") || "—";
}

/** @param {unknown} value @returns {Node} */
export function written(value) {
  if (Array.isArray(value)) return h("code.lines", {}, value.join("\n") || "—");
  if (value === null || value === undefined) return h("span", {}, "—");
  if (typeof value !== "object") return h("span", {}, plain(value));
  const lines = Object.entries(value).map(([name, one]) => h("span", {}, h("span", {}, `${named(name)}${t("form.colon")}`), plain(one)));
  return h("div.before-after", {}, ...(lines.length ? lines : ["—"]));
}

/**
 * Who changed what, with before and after; every version can be put into force again.
 * @param {string} name
 * @param {any} shown
 * @param {any[]} changes
 * @param {() => void} onChanged
 */
export function trailCard(name, shown, changes, onChanged) {
  /** @param {number} number */
  const restore = async (number) => {
    if (!window.confirm(t("form.really_restore", { version: number }))) return;
    const work = async () => {
      const { document } = await ask("GET", `/documents/${name}/versions/${number}`);
      await ask("PUT", `/documents/${name}?version=${shown.version}`, { document });
    };
    if (await attempt(work, t("saved"))) onChanged();
  };
  const reset = async () => {
    if (!window.confirm(t("form.really_reset"))) return;
    if (await attempt(() => ask("DELETE", `/documents/${name}?version=${shown.version}`), t("saved"))) onChanged();
  };
  const back = (/** @type {number} */ number) => h("button", { type: "button", "aria-label": `${t("form.restore")} ${number}`, onClick: () => restore(number) }, t("form.restore"));
  const rows = changes.map((one) => [one.version ?? "—", moment(one.at), one.who, one.subject, ...beforeAndAfter(one.before, one.after), one.version && one.version !== shown.version ? back(one.version) : null]);
  const heads = ["form.version", "board.when", "board.who", "board.subject", "board.before_change", "board.after_change", "board.actions"].map((word) => t(word));
  const now = shown.changed ? t("form.now_version", { version: shown.version }) : t("form.now_configured");
  const end = shown.changed ? h("span.end", {}, h("button", { type: "button", onClick: reset }, t("form.reset"))) : null;
  return h("section.card", { "data-testid": "changes" }, h("h2", {}, t("board.changes"), h("span.note", {}, now), end), table(t("board.changes"), heads, rows, t("board.none")));
}
