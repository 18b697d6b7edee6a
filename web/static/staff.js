// @ts-check
/** What the pages for leaders, inspectors and administrators share: signing in, the bar, requests. */

import { api, ApiError, refusal } from "./api.js";
import { attendance } from "./attended.js";
import { fill, h } from "./dom.js";
import { has, switchLanguage, t, told, translatePage } from "./i18n.js";
import { watermark } from "./watermark.js";

/** @typedef {{id: string, name: string, role: string, group: string | null}} Account */

const PAGES = [
  { href: "/wall", word: "board.wall", roles: ["supervisor", "admin"] },
  { href: "/team", word: "board.team", roles: ["supervisor", "inspector", "admin"] },
  { href: "/admin", word: "board.admin", roles: ["admin"] },
  { href: "/", word: "board.desk", roles: ["agent", "supervisor", "inspector", "admin"] },
];

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { "X-Requested-With": "hotline", ...attendance() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(`/api/v1${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((error) => {
    throw new ApiError(0, "network", String(error));
  });
  const text = await answer.text();
  const data = text && answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : text || null;
  if (answer.ok) return data;
  throw refusal(answer, data);
}

/** @param {unknown} failure @returns {string} for people */
export function explained(failure) {
  if (!(failure instanceof ApiError)) throw failure;
  const key = `error.${failure.code}`;
  if (has(key)) return t(key);
  return told(failure) === failure.message ? t("error.other", { message: failure.message }) : told(failure);
}

/**
 * Does something and says below the heading how it went.
 * @param {() => Promise<unknown>} work
 * @param {string} [done] what is said then
 * @returns {Promise<boolean>} whether it went well
 */
export async function attempt(work, done = "") {
  const note = /** @type {HTMLElement} */ (document.querySelector("#note"));
  try {
    await work();
    // A list that is drawn again says nothing, and leaves what was said of the deed before it.
    if (done || note.dataset.level === "bad") {
      note.textContent = done;
      note.dataset.level = "ok";
    }
    return true;
  } catch (failure) {
    note.textContent = explained(failure);
    note.dataset.level = "bad";
    return false;
  }
}

/**
 * Shows the page to somebody of the right role; asks him to sign in first.
 * @param {string} word the page's name
 * @param {string[]} roles whose page it is
 * @param {(account: Account, main: HTMLElement) => void} show
 */
export async function enter(word, roles, show) {
  translatePage();
  document.title = `12345 ${t(word)}`;
  try {
    const { agent } = await api.me();
    if (roles.includes(agent.role)) shell(word, agent, show);
    else signIn(word, roles, show, t("board.not_yours"));
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    signIn(word, roles, show, failure.status === 401 ? "" : explained(failure));
  }
}

/**
 * @param {string} word
 * @param {Account} account
 * @param {(account: Account, main: HTMLElement) => void} show
 */
function shell(word, account, show) {
  const main = h("main", { id: "main" });
  const links = PAGES.filter(({ roles }) => roles.includes(account.role)).map(({ href, word: name }) =>
    h("a", { href, "aria-current": name === word ? "page" : null }, t(name)),
  );
  const bar = h(
    "header.bar",
    {},
    h("div.brand", {}, h("span.brand-mark.small", { "aria-hidden": "true" }, "12345"), h("h1", {}, t(word))),
    h("nav.pages", { "aria-label": t("board.pages") }, ...links),
    h("p.note", { id: "note", role: "status" }),
    h(
      "div.bar-end",
      {},
      h("span", { "data-testid": "who" }, `${account.name} · ${t(`role.${account.role}`)}`),
      h("button.link", { type: "button", onClick: () => (switchLanguage(), location.reload()) }, t("other_language")),
      h("button.quiet", { type: "button", onClick: () => api.signOut().then(() => location.reload()) }, t("sign_out")),
    ),
  );
  fill(document.body, h("div.staff", { "data-testid": "staff" }, bar, main));
  document.documentElement.dataset.viewer = account.id;
  show(account, main);
}

/**
 * @param {string} word
 * @param {string[]} roles
 * @param {(account: Account, main: HTMLElement) => void} show
 * @param {string} why
 */
function signIn(word, roles, show, why) {
  const error = h("p.error", { role: "alert", "data-testid": "sign-in-error" }, why);
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const values = new FormData(/** @type {HTMLFormElement} */ (event.target));
    try {
      await api.signIn(String(values.get("agent_id")).trim(), String(values.get("password")));
      await enter(word, roles, show);
    } catch (failure) {
      error.textContent = explained(failure);
    }
  };
  /** @param {string} name @param {string} label @param {Record<string, string>} props */
  const field = (name, label, props) =>
    h("label", {}, h("span", {}, t(label)), h("input", { name, required: true, ...props }));
  const form = h(
    "form.sign-in-card",
    { onSubmit: submit },
    h("div.brand-mark", { "aria-hidden": "true" }, "12345"),
    h("h1", {}, t(word)),
    field("agent_id", "agent_id", { autocomplete: "username", maxlength: "32", "data-testid": "agent-id" }),
    field("password", "password", { type: "password", autocomplete: "current-password", "data-testid": "password" }),
    error,
    h("button.primary.wide", { "data-testid": "sign-in" }, t("sign_in")),
    h("button.link", { type: "button", onClick: () => (switchLanguage(), location.reload()) }, t("other_language")),
  );
  fill(document.body, h("main.sign-in", {}, form));
}

/**
 * Tabs of a page; the address remembers which one is open.
 * @param {HTMLElement} main
 * @param {{name: string, word: string, show: (panel: HTMLElement) => void | (() => void)}[]} tabs
 */
export function tabs(main, tabs) {
  const panel = h("section.panel", { role: "tabpanel", id: "panel" });
  /** @type {void | (() => void)} */
  let leave;
  /** @type {HTMLElement[]} */
  const buttons = tabs.map((tab) =>
    h("button.tab", { role: "tab", id: `tab-${tab.name}`, "data-testid": `tab-${tab.name}`, onClick: () => open(tab.name) }, t(tab.word)),
  );
  /** @param {string} name */
  function open(name) {
    const tab = tabs.find((one) => one.name === name) ?? tabs[0];
    leave?.();
    history.replaceState(null, "", `#${tab.name}`);
    for (const button of buttons) {
      button.setAttribute("aria-selected", String(button.id === `tab-${tab.name}`));
    }
    panel.setAttribute("aria-labelledby", `tab-${tab.name}`);
    fill(panel);
    leave = tab.show(panel);
  }
  fill(main, h("div.tabs", { role: "tablist" }, ...buttons), panel);
  open(location.hash.slice(1).split("=")[0]);
  return open;
}

/**
 * Writes the viewer and the time all over something.
 * @param {HTMLElement} element
 */
export function mark(element) {
  watermark(element, document.documentElement.dataset.viewer ?? "");
}
