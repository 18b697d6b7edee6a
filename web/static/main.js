// @ts-check
/** Decides between the sign-in form and the desk. */

import { api, ApiError } from "./api.js";
import { beAside, isAside, openAside } from "./aside.js";
import { Desk } from "./desk.js";
import { has, switchLanguage, t, told, translatePage } from "./i18n.js";
import { byId } from "./page.js";
import { PhonePanel } from "./phone_panel.js";

const signIn = byId("sign-in");
const form = /** @type {HTMLFormElement} */ (byId("sign-in-form"));
const error = byId("sign-in-error");
const phone = new PhonePanel();
const desk = new Desk({ onSignedOut: showSignIn, phone });
phone.phone.addEventListener("change", () => desk.view.draw());

function showSignIn() {
  desk.hide();
  phone.hide();
  signIn.hidden = false;
  /** @type {HTMLInputElement} */ (form.elements.namedItem("agent_id")).focus();
}

function showDesk() {
  signIn.hidden = true;
  error.hidden = true;
  form.reset();
  desk.show();
  if (!isAside) phone.show(); // one phone is enough
}

/** @param {unknown} failure */
function explain(failure) {
  if (!(failure instanceof ApiError)) throw failure;
  const key = `error.${failure.code}`;
  error.textContent = has(key) ? t(key) : t("error.other", { message: told(failure) });
  error.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(form);
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button.primary"));
  button.disabled = true;
  try {
    await api.signIn(String(values.get("agent_id")).trim(), String(values.get("password")));
    showDesk();
  } catch (failure) {
    explain(failure);
  } finally {
    button.disabled = false;
  }
});

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    switchLanguage();
    desk.translate();
    phone.draw();
  });
}

byId("aside").addEventListener("click", openAside);
if (isAside) beAside();
translatePage();
try {
  await api.me();
  showDesk();
} catch (failure) {
  showSignIn();
  if (failure instanceof ApiError && failure.status !== 401) explain(failure);
}
