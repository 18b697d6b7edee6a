// @ts-check
/** The API's documentation, drawn from /api/openapi.json; no third party needed. */

import { byId, make } from "./page.js";

/**
 * Puts a referred schema in the reference's place, a few levels deep.
 * @param {any} document
 * @param {any} part
 * @param {number} depth
 * @returns {any}
 */
function resolve(document, part, depth = 6) {
  if (Array.isArray(part)) return part.map((item) => resolve(document, item, depth));
  if (part === null || typeof part !== "object") return part;
  if (typeof part.$ref === "string") {
    if (depth === 0) return { see: part.$ref.split("/").pop() };
    const path = part.$ref.slice(2).split("/");
    const target = path.reduce((/** @type {any} */ at, /** @type {string} */ step) => at[step], document);
    return resolve(document, target, depth - 1);
  }
  return Object.fromEntries(
    Object.entries(part)
      .filter(([key]) => key !== "title")
      .map(([key, value]) => [key, resolve(document, value, depth)]),
  );
}

/** @param {any} content @param {any} document */
function schemaOf(content, document) {
  const media = Object.values(content ?? {})[0];
  return media?.schema ? JSON.stringify(resolve(document, media.schema), null, 2) : "";
}

/** @param {string} method @param {string} path @param {any} operation @param {any} document */
function operationBox(method, path, operation, document) {
  const box = make("details", "", "", "operation");
  const summary = summaryOf(method, path, operation.summary ?? "");
  box.append(summary, make("pre", "", operation.description ?? ""));
  /** @type {any[]} */
  const asked = operation.parameters ?? [];
  const parameters = asked.filter((p) => p.in !== "cookie");
  if (parameters.length) {
    const list = make("dl", "", "");
    for (const p of parameters) {
      list.append(make("dt", "", `${p.name} (${p.in})`), make("dd", "muted", JSON.stringify(resolve(document, p.schema))));
    }
    box.append(list);
  }
  const body = schemaOf(operation.requestBody?.content, document);
  if (body) box.append(make("strong", "", "Body"), make("div", "json", body));
  for (const [status, answer] of Object.entries(operation.responses)) {
    box.append(make("strong", "", `${status} ${answer.description}`));
    const schema = Number(status) < 400 ? schemaOf(answer.content, document) : "";
    if (schema) box.append(make("div", "json", schema));
  }
  return box;
}

/** @param {string} method @param {string} path @param {string} text */
function summaryOf(method, path, text) {
  const summary = make("summary", "", "");
  summary.append(
    make("span", "method", method.toUpperCase()),
    make("code", "", path),
    make("span", "muted end", text),
  );
  return summary;
}

const answer = await fetch("/api/openapi.json");
const api = await answer.json();
const page = byId("docs");
page.append(
  make("h1", "", `${api.info.title} ${api.info.version}`),
  make("pre", "", api.info.description),
);
for (const tag of api.tags) {
  const section = make("section", "", "");
  section.append(make("h2", "", `${tag.name}: ${tag.description}`));
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (operation.tags?.includes(tag.name)) {
        section.append(operationBox(method, path, operation, api));
      }
    }
  }
  page.append(section);
}
