// @ts-check
/** A list of a text as rows: edited in forms, added, removed, moved; each change counts at once. */

import { ApiError } from "./api.js";
import { brief } from "./document.js";
import { fill, h, table } from "./dom.js";
import { entryForm, label } from "./entry_form.js";
import { t, told } from "./i18n.js";
import { ask, attempt } from "./staff.js";

/** @typedef {import("./entry_form.js").Field} Field */
/**
 * @typedef {object} List
 * @property {string} name
 * @property {string} word its heading
 * @property {Field[]} fields
 * @property {string[]} columns the fields that the table shows
 * @property {string[]} named those that tell a row from others
 * @property {boolean} [ordered] whether the order counts
 */

/** So many rows are drawn; of longer lists those that hold what is searched for. */
const SHOWN = 60;
const SEARCHED_FROM = 15;

/** @param {Record<string, any>} row what the API takes: without what is left empty */
const bare = (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== "" && value !== null));

/**
 * @param {string} name the document's
 * @param {List} list
 * @param {any} shown its rows and version
 * @param {() => void} onChanged
 */
export function rowsCard(name, list, shown, onChanged) {
  /** @type {any[]} */
  const rows = shown.rows[list.name];
  const columns = list.fields.filter((field) => list.columns.includes(field.name));
  const place = h("div");
  const body = h("div.row-list");
  const called = (/** @type {any} */ row) => list.named.map((field) => row[field]).filter(Boolean).join(" · ");
  /** @param {any[]} wanted */
  const put = (wanted) => ask("PUT", `/documents/${name}/rows/${list.name}?version=${shown.version}`, { rows: wanted });
  /** @param {any[]} wanted */
  const save = async (wanted) => {
    if (await attempt(() => put(wanted), t("saved"))) onChanged();
  };

  /** @param {number} at its length: a new row @param {HTMLElement} opener */
  const edit = (at, opener) => {
    const made = entryForm({
      fields: list.fields,
      value: rows[at] ?? {},
      title: `${t(list.word)} ${rows[at] ? called(rows[at]) : t("board.new_entry")}`,
      save: async (_key, entry) => {
        const work = async () => {
          try {
            await put([...rows.slice(0, at), bare(entry), ...rows.slice(at + 1)]);
          } catch (failure) {
            if (failure instanceof ApiError && failure.status < 500) {
              const [section, number, ...below] = (failure.field ?? "").split(".");
              const ours = section === list.name && Number(number) === at;
              made.refuse(ours ? below : [], told(failure));
            }
            throw failure;
          }
        };
        if (await attempt(work, t("saved"))) onChanged();
      },
      cancel: () => (fill(place), opener.focus()),
    });
    fill(place, made.form);
    made.form.scrollIntoView({ block: "nearest" });
    made.focus();
  };
  /** @param {number} at */
  const remove = (at) => {
    if (window.confirm(t("form.really_remove", { name: called(rows[at]) }))) void save(rows.filter((_, other) => other !== at));
  };
  /** @param {number} at @param {number} by */
  const move = (at, by) => {
    const wanted = [...rows];
    wanted.splice(at + by, 0, ...wanted.splice(at, 1));
    void save(wanted);
  };
  /** @param {string} word @param {string} sign @param {number} at @param {(opener: HTMLElement) => void} work @param {boolean} [off] */
  const button = (word, sign, at, work, off = false) =>
    h("button", { type: "button", disabled: off, "aria-label": `${t(word)} ${called(rows[at])}`, onClick: (/** @type {Event} */ event) => work(/** @type {HTMLElement} */ (event.currentTarget)) }, sign);
  /** @param {number} at */
  const actions = (at) =>
    h(
      "span.actions",
      {},
      button("form.edit", t("form.edit"), at, (opener) => edit(at, opener)),
      ...(list.ordered ? [button("form.up", "↑", at, () => move(at, -1), at === 0), button("form.down", "↓", at, () => move(at, 1), at === rows.length - 1)] : []),
      button("board.remove", t("board.remove"), at, () => remove(at)),
    );
  /** @param {string} sought */
  const draw = (sought) => {
    const found = rows.map((row, at) => ({ row, at })).filter(({ row }) => !sought || JSON.stringify(row).includes(sought));
    const heads = [...columns.map(label), t("board.actions")];
    const cells = found.slice(0, SHOWN).map(({ row, at }) => [...columns.map((field) => brief(field, row[field.name])), actions(at)]);
    const more = found.length > SHOWN ? h("p.note", {}, t("form.more_rows", { count: found.length - SHOWN })) : null;
    fill(body, table(t(list.word), heads, cells, t("board.none")), more);
  };
  draw("");
  const search = /** @type {HTMLInputElement} */ (h("input.narrow", { type: "search", placeholder: t("board.search"), "aria-label": `${t("board.search")} ${t(list.word)}`, "data-testid": `search-${list.name}` }));
  search.addEventListener("input", () => draw(search.value.trim()));
  const add = h("button", { type: "button", "data-testid": `new-${list.name}`, onClick: (/** @type {Event} */ event) => edit(rows.length, /** @type {HTMLElement} */ (event.currentTarget)) }, t("form.new"));
  const head = h("h2", {}, t(list.word), h("span.note", {}, t("form.rows", { count: rows.length })), h("span.end.actions", {}, rows.length > SEARCHED_FROM ? search : null, add));
  return h("section.card", { "data-testid": `section-${list.name}` }, head, place, body);
}
