// @ts-check
/** Administration: accounts, knowledge, the trail of what was done, how the node is, SIP ladders. */

import { api, ApiError } from "./api.js";
import { beforeAndAfter, written } from "./document.js";
import { fill, h, table } from "./dom.js";
import { moment } from "./figures.js";
import { handling } from "./handling.js";
import { health } from "./health.js";
import { t, told as reason, translatePage } from "./i18n.js";
import { partners } from "./partners.js";
import { prompts } from "./prompts.js";
import { routing } from "./routing.js";
import { ask, attempt, enter, tabs, mark } from "./staff.js";
import { texts } from "./texts.js";

const ROLES = ["agent", "supervisor", "inspector", "admin"];
/** Earlier versions of an entry that can be looked at. */
const SHOWN_VERSIONS = 10;
const segment = encodeURIComponent;

/** @param {string} selected @param {Record<string, string>} [props] */
const roleChoice = (selected, props = {}) =>
  /** @type {HTMLSelectElement} */ (
    h("select", { name: "role", ...props }, ...ROLES.map((role) => h("option", { value: role, selected: role === selected }, t(`role.${role}`))))
  );

/** @param {string} name @param {string} word @param {Record<string, any>} [props] */
const field = (name, word, props = {}) => h("label", {}, h("span", {}, t(word)), h("input", { name, ...props }));

/** @param {HTMLElement} panel */
function accounts(panel) {
  const listed = h("div", { "data-testid": "accounts" });
  const load = () => attempt(async () => fill(listed, rows(await ask("GET", "/accounts"))));
  /** @param {any[]} all */
  const rows = (all) =>
    table(
      t("board.accounts"),
      ["agent_id", "field.name", "board.role", "board.group", "password", "board.actions"].map((word) => t(word)),
      all.map((account) => {
        const name = /** @type {HTMLInputElement} */ (h("input", { value: account.name, maxlength: 64, "aria-label": `${t("field.name")} ${account.id}` }));
        const group = /** @type {HTMLInputElement} */ (h("input", { value: account.group ?? "", maxlength: 64, "aria-label": `${t("board.group")} ${account.id}` }));
        const role = roleChoice(account.role, { "aria-label": `${t("board.role")} ${account.id}` });
        const password = /** @type {HTMLInputElement} */ (h("input", { type: "password", autocomplete: "new-password", minlength: 8, placeholder: t("board.unchanged"), "aria-label": `${t("password")} ${account.id}` }));
        const save = () =>
          attempt(async () => {
            const body = { name: name.value, group: group.value, role: role.value, ...(password.value ? { password: password.value } : {}) };
            await ask("PATCH", `/accounts/${segment(account.id)}`, body);
            password.value = "";
          }, t("saved"));
        return [account.id, name, role, group, password, h("button", { type: "button", "data-testid": `save-${account.id}`, onClick: save }, t("board.save"))];
      }),
    );
  /** @param {SubmitEvent} event */
  const add = async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const body = Object.fromEntries(new FormData(form));
    if (await attempt(() => ask("POST", "/accounts", body), t("board.done"))) {
      form.reset();
      await load();
    }
  };
  const form = h(
    "form.search",
    { onSubmit: add },
    field("id", "agent_id", { required: true, pattern: "[0-9]{3,8}" }),
    field("name", "field.name", { required: true, maxlength: 64 }),
    h("label", {}, h("span", {}, t("board.role")), roleChoice("agent")),
    field("group", "board.group", { maxlength: 64 }),
    field("password", "password", { required: true, minlength: 8, type: "password", autocomplete: "new-password" }),
    field("phone_password", "board.phone_password", { required: true, minlength: 8, type: "password", autocomplete: "new-password" }),
    h("button.primary", {}, t("board.add")),
  );
  fill(panel, h("div.stacked", {}, h("section.card", {}, h("h2", {}, t("board.new_account")), form), h("section.card", {}, h("h2", {}, t("board.accounts")), listed)));
  void load();
}

/**
 * Stores an entry; one whose front matter names no id gets this one.
 * @param {string} id
 * @param {string} markdown
 */
function put(id, markdown) {
  const [, front = ""] = /^---\r?\n([^]*?)\r?\n---/.exec(markdown) ?? [];
  const own = /^id:\s*(\S+)/m.exec(front)?.[1];
  const whole = own ? markdown : markdown.replace(/^---\r?\n/, (line) => `${line}id: ${id}\n`);
  return ask("PUT", `/knowledge/${segment(own ?? id)}`, { markdown: whole });
}

/** @param {HTMLElement} panel */
function knowledge(panel) {
  const query = /** @type {HTMLInputElement} */ (h("input", { name: "q", "aria-label": t("board.search") }));
  const found = h("div");
  const id = /** @type {HTMLInputElement} */ (h("input", { pattern: "[A-Za-z0-9_\\-]{1,64}", required: true }));
  const text = /** @type {HTMLTextAreaElement} */ (h("textarea.markdown", { rows: 14, required: true, maxlength: 60000, placeholder: "---\ntitle: \ncategory: \nsource: \n---\n" }));
  let newest = 0;
  const files = /** @type {HTMLInputElement} */ (h("input", { type: "file", accept: ".md,.markdown,.txt", multiple: true, "data-testid": "knowledge-files" }));
  const told = h("ul");
  files.addEventListener("change", async () => {
    const chosen = [...(files.files ?? [])];
    files.value = "";
    fill(told);
    for (const file of chosen) {
      const name = file.name.replace(/\.[^.]*$/, "");
      const work = async () => {
        try {
          const { version } = await put(name, await file.text());
          told.append(h("li", {}, t("knowledge.imported", { name, version })));
        } catch (failure) {
          if (failure instanceof ApiError) told.append(h("li.error", {}, `${name}: ${reason(failure)}`));
          throw failure;
        }
      };
      await attempt(work, t("saved"));
    }
  });
  const search = () =>
    attempt(async () => {
      const entries = await ask("GET", `/knowledge?q=${segment(query.value)}`);
      fill(found, table(t("help_knowledge"), ["board.entry", "field.category", "board.source", "board.actions"].map((word) => t(word)), entries.map((/** @type {any} */ entry) => [
        h("button.link", { type: "button", onClick: () => attempt(() => edit(entry.id)) }, `${entry.title} (v${entry.version})`),
        entry.category,
        entry.source,
        h("button", { type: "button", onClick: () => attempt(() => ask("DELETE", `/knowledge/${segment(entry.id)}`), t("board.done")) }, t("board.retire")),
      ]), t("board.nothing_found")));
    });
  const versions = h("span.actions", { role: "group", "aria-label": t("knowledge.versions") });
  /** @param {string} entryId @param {number} [version] */
  const edit = async (entryId, version) => {
    const entry = await ask("GET", `/knowledge/${segment(entryId)}${version ? `?version=${version}` : ""}`);
    id.value = entry.id;
    newest = version ? newest : entry.version;
    const numbers = Array.from({ length: Math.min(newest, SHOWN_VERSIONS) }, (_, at) => newest - at);
    fill(versions, ...numbers.map((number) => h("button", { type: "button", "aria-pressed": String(number === entry.version), onClick: () => attempt(() => edit(entryId, number)) }, `v${number}`)));
    const list = (/** @type {string[]} */ items) => `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
    const until = entry.valid_until ? `valid_until: ${entry.valid_until}\n` : "";
    text.value = `---\ntitle: ${entry.title}\ncategory: ${entry.category}\nsource: ${entry.source}\nkeywords: ${list(entry.keywords)}\nexperts: ${list(entry.experts)}\n${until}---\n${entry.body}`;
  };
  /** @param {SubmitEvent} event */
  const save = (event) => {
    event.preventDefault();
    void attempt(() => put(id.value, text.value), t("saved"));
  };
  fill(
    panel,
    h(
      "div.stacked",
      {},
      h("section.card", {}, h("form.search", { role: "search", onSubmit: (/** @type {SubmitEvent} */ e) => (e.preventDefault(), void search()) }, h("label", {}, h("span", {}, t("board.words")), query), h("button.primary", {}, t("board.search"))), found),
      h("section.card", {}, h("h2", {}, t("knowledge.import")), h("label.stacked", {}, h("span.note", {}, t("knowledge.import_hint")), files), h("div", { role: "status", "data-testid": "knowledge-import" }, told)),
      h("section.card", {}, h("h2", {}, t("board.entry"), versions), h("form.stacked", { onSubmit: save }, h("label", {}, h("span", {}, t("board.entry_id")), id), h("label", {}, h("span", {}, t("board.markdown")), text), h("button.primary", {}, t("board.save")))),
    ),
  );
}

/** @param {any} detail @returns {(Node | string)[]} before and after a change; what else is known stands after it */
function changeOf(detail) {
  if (!detail) return ["—", "—"];
  const { before, after, ...rest } = detail;
  const more = Object.keys(rest).length ? written(rest) : null;
  if (before === undefined && after === undefined) return ["—", more ?? "—"];
  const [was, is] = beforeAndAfter(before, after);
  return [was, h("div", {}, is, more)];
}

/** @param {HTMLElement} panel */
function trail(panel) {
  const found = h("div", { "data-testid": "trail" });
  const show = () =>
    attempt(async () => {
      const asked = new URLSearchParams();
      for (const [name, value] of new FormData(/** @type {HTMLFormElement} */ (form))) {
        if (String(value).trim()) asked.set(name, String(value).trim());
      }
      const { items } = await ask("GET", `/audit?limit=100&${asked}`);
      const heads = ["board.when", "board.who", "board.action", "board.subject", "board.before_change", "board.after_change"].map((word) => t(word));
      fill(found, table(t("board.trail"), heads, items.map((/** @type {any} */ entry) => [moment(entry.at), entry.who, entry.action, entry.subject, ...changeOf(entry.detail)]), t("board.nothing_found")));
      mark(found);
    });
  const form = h(
    "form.search",
    { onSubmit: (/** @type {SubmitEvent} */ event) => (event.preventDefault(), void show()) },
    field("by", "board.who", { maxlength: 32 }),
    field("action", "board.action", { maxlength: 40 }),
    field("subject", "board.subject", { maxlength: 128 }),
    h("button.primary", {}, t("board.search")),
  );
  fill(panel, h("section.card", {}, form, found));
  void show();
}

/** @param {HTMLElement} panel */
function ladders(panel) {
  const id = /** @type {HTMLInputElement} */ (h("input", { required: true, maxlength: 128 }));
  const drawn = h("pre.ladder-text", { tabindex: "0", role: "region", "aria-label": t("ladder") });
  const calls = h("div");
  const draw = () => attempt(async () => void (drawn.textContent = await api.ladder(id.value)));
  const choose = (/** @type {string} */ callId) => ((id.value = callId), void draw());
  const list = () =>
    attempt(async () => {
      const { items } = await ask("GET", "/calls?limit=20");
      const heads = ["board.arrived", "board.number", "line", "agent_id", "board.outcome"].map((word) => t(word));
      fill(calls, table(t("board.calls_tab"), heads, items.map((/** @type {any} */ call) => [h("button.link", { type: "button", onClick: () => choose(call.call_id) }, moment(call.arrived_at)), call.caller ?? t("no_number"), call.line, call.agent_id ?? "—", call.outcome ? t(`outcome.${call.outcome}`) : "—"]), t("board.none")));
    });
  fill(panel, h("div.stacked", {}, h("section.card", {}, h("form.search", { onSubmit: (/** @type {SubmitEvent} */ e) => (e.preventDefault(), void draw()) }, h("label", {}, h("span", {}, t("board.call_id")), id), h("button.primary", {}, t("board.show"))), calls), h("section.card", {}, h("h2", {}, t("ladder")), drawn)));
  void list();
}

translatePage();
await enter("board.admin", ["admin"], (_account, main) => {
  tabs(main, [
    { name: "accounts", word: "board.accounts", show: accounts },
    { name: "routing", word: "board.routing", show: routing },
    { name: "partners", word: "partners.partners", show: partners },
    { name: "texts", word: "texts.tab", show: texts },
    { name: "handling", word: "handling.tab", show: handling },
    { name: "prompts", word: "prompts.tab", show: prompts },
    { name: "knowledge", word: "help_knowledge", show: knowledge },
    { name: "health", word: "board.health", show: health },
    { name: "ladders", word: "ladder", show: ladders },
    { name: "trail", word: "board.trail", show: trail },
  ]);
});
