// @ts-check
/** What callers hear: listened to, replaced by a WAV file, put back. */

import { ApiError, refusal } from "./api.js";
import { trailCard } from "./document.js";
import { fill, h, table } from "./dom.js";
import { t, told } from "./i18n.js";
import { ask, attempt } from "./staff.js";

const segment = encodeURIComponent;
const LANGUAGES = ["zh", "en", ""];

/** @param {string} name @returns {string} its language */
const languageOf = (name) => (name.includes(".") ? name.split(".")[0] : "");

/**
 * @param {string} name
 * @param {File} file
 * @param {number} version the document's
 */
async function upload(name, file, version) {
  const answer = await fetch(`/api/v1/prompts/${segment(name)}?version=${version}`, {
    method: "PUT",
    headers: { "X-Requested-With": "hotline", "Content-Type": "application/octet-stream" },
    body: file,
  });
  if (answer.ok) return;
  throw refusal(answer, await answer.json());
}

/** @param {HTMLElement} panel */
export function prompts(panel) {
  const body = h("div.stacked", { "data-testid": "prompts" });
  fill(panel, body);
  const load = () =>
    attempt(async () => {
      const [all, shown, changes] = await Promise.all([ask("GET", "/prompts"), ask("GET", "/documents/prompts"), ask("GET", "/documents/prompts/changes?limit=20")]);
      const again = () => void load();
      const heads = ["form.name", "prompts.text", "prompts.seconds", "board.state", "board.actions"].map((word) => t(word));
      const cards = LANGUAGES.map((language) => {
        const rows = all.filter((/** @type {any} */ one) => languageOf(one.name) === language).map((/** @type {any} */ one) => row(one, shown.version, again));
        const title = t(`prompts.${language || "music"}`);
        return h("section.card", {}, h("h2", {}, title), table(title, heads, rows, t("board.none")));
      });
      fill(body, greeting(shown.version, again), ...cards, trailCard("prompts", shown, changes.items, again));
    });
  void load();
}

/**
 * @param {any} prompt
 * @param {number} version
 * @param {() => void} onChanged
 */
function row(prompt, version, onChanged) {
  const player = h("span");
  const listen = () => {
    const audio = /** @type {HTMLAudioElement} */ (h("audio", { controls: true, src: `/api/v1/prompts/${segment(prompt.name)}?heard=${Date.now()}` }));
    fill(player, audio);
    void audio.play().catch(() => undefined); // a browser that wants another click shows the player
  };
  const restore = async () => {
    if (await attempt(() => ask("DELETE", `/prompts/${segment(prompt.name)}?version=${version}`), t("saved"))) onChanged();
  };
  return [
    h("code", {}, prompt.name),
    prompt.text || "—",
    prompt.seconds,
    h("span.chip", { "data-status": prompt.replaced ? "degraded" : "ok" }, t(prompt.replaced ? "prompts.own" : "prompts.shipped")),
    h(
      "span.actions",
      {},
      h("button", { type: "button", "aria-label": `${t("prompts.listen")} ${prompt.name}`, onClick: listen }, t("prompts.listen")),
      chooser(prompt.name, () => prompt.name, version, onChanged),
      prompt.replaced ? h("button", { type: "button", "aria-label": `${t("prompts.restore")} ${prompt.name}`, onClick: restore }, t("prompts.restore")) : null,
      player,
    ),
  ];
}

/**
 * A button for choosing a file; the server's words about a wrong one stand beside it.
 * @param {string} id
 * @param {() => string} name
 * @param {number} version
 * @param {() => void} onChanged
 */
function chooser(id, name, version, onChanged) {
  const error = h("span.error", { role: "alert" });
  const input = /** @type {HTMLInputElement} */ (h("input.unseen", { type: "file", accept: ".wav,audio/wav", tabindex: "-1", "aria-label": `${t("prompts.file")} ${id}`, "data-testid": `prompt-${id}` }));
  input.addEventListener("change", async () => {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    error.textContent = "";
    const work = async () => {
      try {
        await upload(name(), file, version);
      } catch (failure) {
        if (failure instanceof ApiError) error.textContent = told(failure);
        throw failure;
      }
    };
    if (await attempt(work, t("saved"))) onChanged();
  });
  return h("span.actions", {}, h("button", { type: "button", "aria-label": `${t("prompts.replace")} ${id}`, onClick: () => input.click() }, t("prompts.replace")), input, error);
}

/**
 * A line's own greeting, which need not ship.
 * @param {number} version
 * @param {() => void} onChanged
 */
function greeting(version, onChanged) {
  const line = /** @type {HTMLInputElement} */ (h("input", { inputmode: "numeric", maxlength: 20 }));
  const language = /** @type {HTMLSelectElement} */ (h("select", {}, h("option", { value: "zh" }, t("prompts.zh")), h("option", { value: "en" }, t("prompts.en"))));
  const choose = chooser("welcome-", () => `${language.value}.welcome-${line.value.trim()}`, version, onChanged);
  return h(
    "section.card",
    {},
    h("h2", {}, t("prompts.greeting"), h("span.note", {}, t("prompts.hint"))),
    h("div.search", {}, h("label", {}, h("span", {}, t("form.dialled")), line), h("label", {}, h("span", {}, t("form.language")), language), choose),
  );
}
