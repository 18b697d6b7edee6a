// @ts-check
/** Rules of urgency, prepared topics, categories, place names: as forms, and as they are written. */

import { ApiError } from "./api.js";
import { trailCard } from "./document.js";
import { fill, h } from "./dom.js";
import { t, told } from "./i18n.js";
import { rowsCard } from "./rows.js";
import { ask, attempt, explained } from "./staff.js";
import { LISTS } from "./text_forms.js";

const NAMES = ["urgency", "templates", "categories", "gazetteer"];
/** A spreadsheet's file may be in the national encoding. */
const ENCODINGS = ["utf-8", "gb18030"];
const MIME = /** @type {Record<string, string>} */ ({ csv: "text/csv", toml: "application/toml" });

/** @param {ArrayBuffer} octets @returns {string} */
function decoded(octets) {
  for (const encoding of ENCODINGS) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(octets);
    } catch (failure) {
      if (!(failure instanceof TypeError)) throw failure;
    }
  }
  throw new ApiError(0, "encoding", t("error.encoding"));
}

/** @param {HTMLElement} panel */
export function texts(panel) {
  const place = h("div.stacked");
  const choices = NAMES.map((name) => h("button", { type: "button", "data-testid": `text-${name}`, onClick: () => open(name) }, t(`texts.${name}`)));
  let wanted = "";
  let written = false;
  const views = [false, true].map((as) => h("button", { type: "button", "data-testid": as ? "as-text" : "as-form", onClick: () => ((written = as), void open(wanted)) }, t(as ? "texts.as_text" : "texts.as_form")));
  /** @param {string} name */
  const open = (name) =>
    attempt(async () => {
      wanted = name;
      for (const [at, one] of NAMES.entries()) choices[at].setAttribute("aria-pressed", String(one === name));
      views.forEach((view, at) => view.setAttribute("aria-pressed", String(written === Boolean(at))));
      const [shown, changes] = await Promise.all([ask("GET", written ? `/documents/${name}` : `/documents/${name}/rows`), ask("GET", `/documents/${name}/changes?limit=20`)]);
      if (wanted !== name) return; // another was asked for meanwhile
      const again = () => void open(name);
      const cards = written ? [editor(name, shown, again)] : LISTS[name].map((list) => rowsCard(name, list, shown, again));
      fill(place, ...cards, trailCard(name, shown, changes.items, again));
    });
  fill(panel, h("div.stacked", {}, h("div.spread", {}, h("div.actions", { role: "group", "aria-label": t("texts.tab") }, ...choices), h("div.actions", { role: "group", "aria-label": t("texts.view") }, ...views)), place));
  void open(NAMES[0]);
}

/**
 * @param {string} name
 * @param {any} shown the document
 * @param {() => void} onChanged
 */
function editor(name, shown, onChanged) {
  let format = shown.document.format;
  const area = /** @type {HTMLTextAreaElement} */ (h("textarea.markdown", { rows: 16, spellcheck: "false", wrap: "off", "aria-label": t(`texts.${name}`), "data-testid": "text" }));
  area.value = shown.document.text;
  const error = h("p.error.lines", { role: "alert", id: "text-error", "data-testid": "text-error" });
  area.setAttribute("aria-describedby", "text-error");
  const counts = h("p.note", { role: "status", "data-testid": "text-counts" });
  const document_ = () => ({ document: { text: area.value, format } });

  /** @param {number} number counted from 1 */
  const goTo = (number) => {
    const before = area.value.split("\n").slice(0, number - 1).join("\n").length;
    const start = number > 1 ? before + 1 : 0;
    const end = area.value.indexOf("\n", start);
    area.focus();
    area.setSelectionRange(start, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, number - 5) * (area.scrollHeight / area.value.split("\n").length);
  };
  /** @param {() => Promise<unknown>} work @param {string} done */
  const tried = (work, done) =>
    attempt(async () => {
      error.textContent = "";
      try {
        await work();
      } catch (failure) {
        if (!(failure instanceof ApiError)) throw failure;
        const line = /^text:(\d+)$/.exec(failure.field ?? "");
        error.textContent = line ? `${t("texts.line", { line: line[1] })} ${told(failure)}` : failure.code === "invalid" ? told(failure) : explained(failure);
        if (line) goTo(Number(line[1]));
        throw failure;
      }
    }, done);
  const check = async () => {
    const found = await ask("POST", `/documents/${name}/check`, document_());
    counts.textContent = Object.entries(found.counts).map(([what, count]) => t(`counts.${what}`, { count: Number(count) })).join(" · ");
  };
  const save = async () => {
    if (await tried(() => ask("PUT", `/documents/${name}?version=${shown.version}`, document_()), t("saved"))) onChanged();
  };
  const file = /** @type {HTMLInputElement} */ (h("input", { type: "file", accept: ".csv,.toml,.txt", "data-testid": "text-file", id: "text-file" }));
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    void tried(async () => {
      area.value = decoded(await chosen.arrayBuffer());
      if (/\.(csv|toml)$/i.test(chosen.name)) format = chosen.name.toLowerCase().endsWith(".csv") ? "csv" : "toml";
      await check();
    }, t("texts.not_yet_saved"));
  });
  const download = () => {
    const link = /** @type {HTMLAnchorElement} */ (h("a", { href: URL.createObjectURL(new Blob([area.value], { type: MIME[format] })), download: `${name}.${format}` }));
    link.click();
    URL.revokeObjectURL(link.href);
  };
  void tried(check, "");
  return h(
    "section.card.stacked",
    {},
    h("h2", {}, t(`texts.${name}`), h("span.note", {}, t(`texts.${name}_hint`))),
    h("div.actions", {}, h("label.button", { for: "text-file" }, t("texts.upload")), file, h("button", { type: "button", onClick: download }, t("texts.download"))),
    area,
    counts,
    error,
    h("span.actions", {}, h("button.primary", { type: "button", "data-testid": "text-save", onClick: save }, t("board.save")), h("button", { type: "button", "data-testid": "text-check", onClick: () => tried(check, t("texts.fine")) }, t("texts.check"))),
  );
}
