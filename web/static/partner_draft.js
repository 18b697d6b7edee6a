// @ts-check
/** What a partner has already written of the matter that he calls about (110's green channel). */

import { has, t } from "./i18n.js";
import { byId, make } from "./page.js";

/** Fields of the form that may be taken over. */
const TAKEN = ["name", "title", "address", "time", "party", "content"];

/** @param {unknown} value */
const said = (value) => value !== null && value !== undefined && value !== "" && value !== false;

export class PartnerDraft {
  /** @param {{take: (fields: Record<string, string>) => void}} hooks */
  constructor({ take }) {
    this.root = byId("partner-draft");
    this.callId = "";
    /** @type {Record<string, string>} */
    this.fields = {};
    byId("partner-draft-take").addEventListener("click", () => take(this.fields));
  }

  /**
   * @param {string} callId
   * @param {{matter: Record<string, unknown>} | null} draft
   */
  show(callId, draft) {
    this.callId = callId;
    const told = Object.entries(draft?.matter ?? {}).filter(([, value]) => said(value));
    this.fields = Object.fromEntries(
      told.filter(([name]) => TAKEN.includes(name)).map(([name, value]) => [name, String(value)]),
    );
    this.root.hidden = !told.length;
    const rows = told.flatMap(([name, value]) => [
      make("dt", "muted", has(`field.${name}`) ? t(`field.${name}`) : name),
      make("dd", "", String(value)),
    ]);
    byId("partner-draft-fields").replaceChildren(...rows);
  }

  /** @param {string | undefined} callId the call that is on the card now */
  keepTo(callId) {
    if (callId !== this.callId) this.show(callId ?? "", null);
  }
}
