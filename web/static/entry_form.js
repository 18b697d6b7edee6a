// @ts-check
/** Forms for the entries of a document: made from a description, read back, faults at their field. */

import { fill, h } from "./dom.js";
import { has, t } from "./i18n.js";

/**
 * @typedef {object} Field
 * @property {string} name the option's
 * @property {"text" | "number" | "check" | "choice" | "list" | "lines" | "patterns" | "words" | "levels" | "checks" | "rows"} kind
 * @property {string} [word] of its label; else `form.<name>`
 * @property {string[]} [options] of a choice; "" stands for nothing
 * @property {string} [prefix] of the options' words
 * @property {Field[]} [fields] of rows
 * @property {string} [hint] its word; else `hint.<name>`, where there is one
 * @property {string} [add] what the button for a further row says
 * @property {boolean} [wide] rows are long: each has a line to itself, and tables show its first field alone
 * @property {boolean} [nullable] whether empty is null
 * @property {unknown} [initial] what a new entry begins with
 */
/** @typedef {{element: HTMLElement, control: HTMLElement, read: () => unknown, place?: (path: string[]) => Placed | null}} Input */
/** @typedef {{control: HTMLElement, error: HTMLElement}} Placed */

/** @type {Record<string, string>} */
const CLASSES = { check: "div.entry-field.ticked", patterns: "div.entry-field.broad", words: "div.entry-field.broad" };

let count = 0;

/** @param {Field} field */
export const label = (field) => t(field.word ?? `form.${field.name}`);

/** @param {Field} field @param {string} option */
export const optionWord = (field, option) => {
  const key = `${field.prefix ?? "form.option"}.${option || "none"}`;
  return has(key) ? t(key) : option;
};

/** @param {string} text */
const parts = (text) => text.split(/[,，、\n]/).map((part) => part.trim()).filter(Boolean);

/** @param {unknown} value @returns {string} what stands in a field of one line */
function shown(value) {
  if (Array.isArray(value)) return value.join("、");
  if (value && typeof value === "object") {
    return Object.entries(value).map(([name, level]) => `${name}=${level}`).join("、");
  }
  return value === null || value === undefined ? "" : String(value);
}

/** @param {string} text `english=5、general` @returns {Record<string, number | string>} */
function levels(text) {
  return Object.fromEntries(
    parts(text).map((part) => {
      const [name, level = "1"] = part.split("=").map((one) => one.trim());
      return [name, /^\d+$/.test(level) ? Number(level) : level];
    }),
  );
}

/**
 * @param {Field} field
 * @param {any} value
 * @param {string} id
 * @returns {{control: HTMLElement, read: () => unknown}}
 */
function control(field, value, id) {
  if (field.kind === "check") {
    const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", id, checked: value === true }));
    return { control: box, read: () => box.checked };
  }
  if (field.kind === "choice") {
    const present = value === undefined || value === null ? "" : String(value);
    const known = field.options ?? [];
    // A value that this page does not know stays what it is: no other is taken for it.
    const offered = present === "" || known.includes(present) ? known : [...known, present];
    const options = offered.map((option) => h("option", { value: option, selected: option === present }, optionWord(field, option)));
    const select = /** @type {HTMLSelectElement} */ (h("select", { id }, ...options));
    return { control: select, read: () => (select.value === "" && field.nullable ? null : select.value) };
  }
  if (field.kind === "lines") {
    const area = /** @type {HTMLTextAreaElement} */ (h("textarea", { id, rows: 5 }, (value ?? []).join("\n")));
    return { control: area, read: () => parts(area.value) };
  }
  if (field.kind === "patterns") {
    const written = value ?? [];
    const area = /** @type {HTMLTextAreaElement} */ (h("textarea.patterns", { id, rows: Math.min(Math.max(written.length + 1, 2), 6), spellcheck: "false" }, written.join("\n")));
    return { control: area, read: () => area.value.split("\n").map((line) => line.trim()).filter(Boolean) };
  }
  if (field.kind === "words") {
    const area = /** @type {HTMLTextAreaElement} */ (h("textarea", { id, rows: 4, spellcheck: "false" }, (value ?? []).join("、")));
    return { control: area, read: () => parts(area.value) };
  }
  const input = /** @type {HTMLInputElement} */ (h("input", { id, maxlength: 2000, inputmode: field.kind === "number" ? "decimal" : null, value: shown(value) }));
  const read = () => {
    const text = input.value.trim();
    if (field.kind === "list") return parts(text);
    if (field.kind === "levels") return levels(text);
    if (text === "" && field.nullable) return null;
    // What is no number is sent as it is: the server says what it wants.
    return field.kind === "number" && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  return { control: input, read };
}

/** @param {Field} field @param {any} value @returns {Input} several boxes to tick */
function checks(field, value) {
  const boxes = (field.options ?? []).map((option) => /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", value: option, checked: (value ?? []).includes(option) })));
  const error = h("span.error", { role: "alert" });
  const element = h("fieldset.checks", { tabindex: "-1" }, h("legend", {}, label(field)), ...boxes.map((box) => h("label.tick", {}, box, optionWord(field, box.value))), error);
  return { element, control: element, read: () => boxes.filter((box) => box.checked).map((box) => box.value), place: () => ({ control: element, error }) };
}

/** @param {Field} field @param {any[]} value @returns {Input} a list of small forms */
function rows(field, value) {
  /** @type {{element: HTMLElement, inputs: Map<string, Input>}[]} */
  let listed = [];
  const list = h("div.entry-rows");
  const error = h("span.error", { role: "alert" });
  /** @param {any} one */
  const row = (one) => {
    const inputs = inputsOf(field.fields ?? [], one);
    const remove = h("button", { type: "button", onClick: () => ((listed = listed.filter((other) => other !== made)), draw()) }, t("board.remove"));
    const made = { element: h(field.wide ? "div.entry-row.wide" : "div.entry-row", { role: "group" }, ...[...inputs.values()].map((input) => input.element), remove), inputs };
    return made;
  };
  const draw = () => {
    listed.forEach((one, at) => one.element.setAttribute("aria-label", `${label(field)} ${at + 1}`));
    fill(list, ...listed.map((one) => one.element));
  };
  listed = (value ?? []).map(row);
  draw();
  const add = h("button", { type: "button", onClick: () => (listed.push(row({})), draw(), firstIn(listed[listed.length - 1].element)) }, t(field.add ?? "form.add_row"));
  const element = h("fieldset.checks", { tabindex: "-1" }, h("legend", {}, label(field)), list, add, error);
  return {
    element,
    control: element,
    read: () => listed.map((one) => read(one.inputs)),
    place: ([at, ...rest]) => (listed[Number(at)] && place(listed[Number(at)].inputs, rest)) || { control: element, error },
  };
}

/** @param {Field[]} fields @param {any} value @returns {Map<string, Input>} */
function inputsOf(fields, value) {
  return new Map(
    fields.map((field) => {
      const begun = value[field.name] ?? field.initial;
      if (field.kind === "checks") return [field.name, checks(field, begun)];
      if (field.kind === "rows") return [field.name, rows(field, begun)];
      const id = `entry-${(count += 1)}`;
      const made = control(field, begun, id);
      const error = h("span.error", { role: "alert", id: `${id}-error` });
      const word = field.hint ?? `hint.${field.name}`;
      const hint = has(word) ? h("span.note", { id: `${id}-hint` }, t(word)) : null;
      made.control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-error` : `${id}-error`);
      const element = h(CLASSES[field.kind] ?? "div.entry-field", {}, h("label", { for: id }, label(field)), made.control, hint, error);
      return [field.name, { element, ...made, place: () => ({ control: made.control, error }) }];
    }),
  );
}

/**
 * What is left empty is left out: the server has its default, or says that it is missing.
 * @param {Map<string, Input>} inputs
 * @param {boolean} [whole] whether what is empty is sent all the same
 */
const read = (inputs, whole = false) =>
  Object.fromEntries([...inputs].map(([name, input]) => [name, input.read()]).filter(([, value]) => whole || value !== ""));

/** @param {Map<string, Input>} inputs @param {string[]} path @returns {Placed | null} */
function place(inputs, [name, ...rest]) {
  return inputs.get(name)?.place?.(rest) ?? null;
}

/** @param {HTMLElement} element */
function firstIn(element) {
  /** @type {HTMLElement | null} */ (element.querySelector("input, select, textarea"))?.focus();
}

/**
 * A form for one entry.
 * @param {object} about
 * @param {Field[]} about.fields
 * @param {any} about.value what is there now; {} for a new entry
 * @param {string} about.title
 * @param {string | null} [about.key] the entry's name; null asks for one
 * @param {string} [about.keyWord] what a name is called
 * @param {boolean} [about.whole] whether what is left empty is sent as empty
 * @param {(key: string, value: Record<string, unknown>) => Promise<void>} about.save
 * @param {() => void} [about.cancel]
 */
export function entryForm({ fields, value, title, key = "", keyWord = "form.key", whole = false, save, cancel }) {
  const inputs = inputsOf(fields, value);
  const named = key === null ? inputsOf([{ name: "[key]", kind: "text", word: keyWord }], {}) : new Map();
  const error = h("p.error", { role: "alert", "data-testid": "entry-error" });
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    clear();
    await save(key === null ? String(named.get("[key]")?.read()) : key, read(inputs, whole));
  };
  const clear = () => {
    for (const one of form.querySelectorAll(".error")) one.textContent = "";
    for (const one of form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  };
  const form = h(
    "form.entry-form",
    { onSubmit: submit, "aria-label": title, "data-testid": "entry-form" },
    h("h3", {}, title),
    ...[...named.values(), ...inputs.values()].map((input) => input.element),
    error,
    h("span.actions", {}, h("button.primary", {}, t("board.save")), cancel ? h("button", { type: "button", onClick: cancel }, t("form.cancel")) : null),
  );
  if (cancel) form.addEventListener("keydown", (event) => void (event.key === "Escape" && cancel()));
  return {
    form,
    focus: () => firstIn(form),
    /**
     * Puts the server's words at the field that it names.
     * @param {string[]} path below the entry
     * @param {string} message
     */
    refuse(path, message) {
      const found = place(named, path) ?? place(inputs, path);
      (found?.error ?? error).textContent = message;
      if (!found) return;
      found.control.setAttribute("aria-invalid", "true");
      found.control.focus();
    },
  };
}
