// @ts-check
/** Requests to `/api/v1`, by the session cookie. */

import { attendance, watch } from "./attended.js";

/** A request that was refused (`status` > 0) or did not get through (`status` 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {string | null} field
   * @param {string | null} chinese the message in Chinese, where the node has one
   */
  constructor(status, code, message, field = null, chinese = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.chinese = chinese;
  }
}

/**
 * @param {Response} answer that refuses
 * @param {any} data its JSON, null where it has none
 */
export function refusal(answer, data) {
  const { code = "unknown", message = answer.statusText, field = null, chinese = null } = data?.error ?? {};
  return new ApiError(answer.status, code, message, field, chinese);
}

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {unknown} [body]
 * @returns {Promise<any>} the answer's JSON; null when it has none
 */
async function request(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { "X-Requested-With": "hotline", ...attendance() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  let text;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await answer.text();
  } catch (error) {
    throw new ApiError(0, "network", String(error));
  }
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(answer.status || 500, "not_json", text.slice(0, 80));
  }
  if (!answer.ok) throw refusal(answer, data);
  return data;
}

/**
 * @param {string} path below /api/v1
 * @returns {Promise<string>} the answer's text
 */
async function requestText(path) {
  const answer = await fetch(`/api/v1${path}`).catch((error) => {
    throw new ApiError(0, "network", String(error));
  });
  if (!answer.ok) throw new ApiError(answer.status, "refused", answer.statusText);
  return answer.text();
}

const segment = encodeURIComponent;

export const api = {
  /** @param {string} agentId @param {string} password */
  signIn: (agentId, password) => request("POST", "/session", { agent_id: agentId, password }),
  signOut: () => request("DELETE", "/session"),
  me: () => request("GET", "/me"),
  /** What the page's phone registers with. */
  phonePass: () => request("POST", "/me/phone"),
  ready: () => request("PUT", "/me/presence", { state: "ready" }),
  /** @param {string} reason */
  notReady: (reason) => request("PUT", "/me/presence", { state: "not_ready", reason }),
  extendWrapUp: () => request("POST", "/me/wrap-up/extend"),
  endWrapUp: () => request("POST", "/me/wrap-up/end"),
  /** @param {string} callId his own desk phone is told to answer */
  answer: (callId) => request("POST", `/calls/${segment(callId)}/answer`),
  /** @param {string} callId */
  hangUp: (callId) => request("POST", `/calls/${segment(callId)}/hang-up`),
  live: () => request("GET", "/calls/live"),
  /** @param {string} callId */
  call: (callId) => request("GET", `/calls/${segment(callId)}`),
  /** @param {string} callId */
  transcript: (callId) => request("GET", `/calls/${segment(callId)}/transcript`),
  /** @param {string} callId @param {number} [part] @returns {string} */
  recordingUrl: (callId, part = 1) => `/api/v1/calls/${segment(callId)}/recording${part > 1 ? `?part=${part}` : ""}`,
  /** @param {string} callId @param {boolean} held */
  hold: (callId, held) => request("PUT", `/calls/${segment(callId)}/hold`, { held }),
  /** @param {string} callId @param {boolean} muted */
  mute: (callId, muted) => request("PUT", `/calls/${segment(callId)}/mute`, { muted }),
  /** @param {string} callId @param {string} keys */
  press: (callId, keys) => request("POST", `/calls/${segment(callId)}/keys`, { keys }),
  /** @param {string} callId @param {boolean} paused */
  pauseRecording: (callId, paused) =>
    request("PUT", `/calls/${segment(callId)}/recording/pause`, { paused }),
  /** @param {string} callId @param {string} target @param {import("./directory.js").Mode} mode */
  transfer: (callId, target, mode) =>
    request("POST", `/calls/${segment(callId)}/transfer`, { target, mode }),
  /** @param {string} callId @param {string} partner what its key does is the city's choice */
  oneKey: (callId, partner) =>
    request("POST", `/calls/${segment(callId)}/one-key/${segment(partner)}`, {}),
  /** @param {string} callId @param {string} party */
  drop: (callId, party) => request("DELETE", `/calls/${segment(callId)}/parties/${segment(party)}`),
  /** @param {string} callId @param {string} step */
  transferStep: (callId, step) =>
    request("POST", `/calls/${segment(callId)}/transfer/${segment(step)}`),
  /** @param {string} callId */
  callersHistory: (callId) => request("GET", `/calls/${segment(callId)}/history`),
  /** @param {string} typed */
  directory: (typed) => request("GET", `/directory?q=${segment(typed)}`),
  dispositions: () => request("GET", "/dispositions"),
  /** @param {string} callId @param {string} code */
  dispose: (callId, code) => request("PUT", `/calls/${segment(callId)}/disposition`, { code }),
  /** @param {string} callId */
  partnerDraft: (callId) => request("GET", `/calls/${segment(callId)}/partner-draft`),
  reasons: () => request("GET", "/routing/reasons"),
  /** @param {"open" | "calling"} status */
  callBacks: (status) => request("GET", `/callbacks?limit=100&status=${status}`),
  inbox: () => request("GET", "/me/inbox"),
  /** @param {number} handover @param {boolean} accepted @param {string} reason */
  decide: (handover, accepted, reason) =>
    request("POST", `/me/inbox/${handover}/decision`, { accepted, reason }),
  /** @param {number} handover @param {string} reason */
  takeUpAgain: (handover, reason) => request("POST", `/me/inbox/${handover}/reopen`, { reason }),
  breaks: () => request("GET", "/me/breaks"),
  callBackHours: () => request("GET", "/callbacks/hours"),
  /** @param {string} ticketId @param {number} dueAt Unix seconds @param {string} note */
  promise: (ticketId, dueAt, note) =>
    request("POST", `/tickets/${segment(ticketId)}/call-back`, { due_at: dueAt, note: note || null }),
  /** @param {number} entry */
  callBack: (entry) => request("POST", `/callbacks/${entry}/call`),
  /** @param {number} entry @param {string} outcome */
  closeCallBack: (entry, outcome) => request("POST", `/callbacks/${entry}/close`, { outcome }),
  /** @param {string} typed */
  places: (typed) => request("GET", `/places?q=${segment(typed)}`),
  /** @param {string} typed */
  findCategories: (typed) => request("GET", `/categories/search?limit=200&q=${segment(typed)}`),
  calls: () => request("GET", "/calls?limit=200"),
  tickets: () => request("GET", "/tickets?limit=100"),
  categories: () => request("GET", "/categories"),
  /** @param {string} ticketId */
  ticket: (ticketId) => request("GET", `/tickets/${segment(ticketId)}`),
  /** @param {string} ticketId @param {Record<string, unknown>} fields */
  correct: (ticketId, fields) => request("PATCH", `/tickets/${segment(ticketId)}`, { fields }),
  /** @param {string} callId for administrators */
  ladder: (callId) => requestText(`/calls/${segment(callId)}/ladder.txt`),
  /** @param {string} callId */
  help: (callId) => request("GET", `/calls/${segment(callId)}/help`),
  /** @param {string} ticketId @param {{entry_id: string, version: number}} entry */
  quote: (ticketId, entry) => request("POST", `/tickets/${segment(ticketId)}/quote`, entry),
  /** @param {string} ticketId @param {{action: string, note: string, unit: string | null}} step */
  step: (ticketId, step) => request("POST", `/tickets/${segment(ticketId)}/steps`, step),
  /** @param {string} ticketId */
  submit: (ticketId) => request("POST", `/tickets/${segment(ticketId)}/submit`),
};

watch(() => void api.me().catch(() => {})); // whether that is still signed in is the feed's matter
