// @ts-check
/**
 * What the desktop knows, and how each event changes it. `reduce` is pure: no page, no network.
 *
 * @typedef {{value: any, source: string | null, evidence: string | null, confidence?: number | null,
 *   passage?: {leg: string, start: number, end: number} | null}} Field
 * @typedef {{id: string, call_id: string | null, agent_id: string | null, status: string, created_at: number | null,
 *   submitted_at: number | null, fields: Record<string, Field>}} Ticket
 * @typedef {{seq: number, leg: string, start: number, end: number, text: string,
 *   later?: boolean | null, confidence?: number | null, doubtful?: string[]}} Utterance
 *   later: recognised after the call, from its recording; doubtful: words that may be wrong
 * @typedef {{leg: string, start: number, end?: number | null, state: string}} Gap not recognised live
 * @typedef {{call_id: string, line: string, caller: string | null, state: string,
 *   arrived_at: number, answered_at: number | null, ended_at: number | null,
 *   ticket_id: string | null, partner?: string | null, reference?: string | null,
 *   held_by?: string[], muted?: boolean, paused?: boolean, by_click?: boolean, transfer?: Transfer | null,
 *   parties?: {id: string, name: string, role: string}[]}} Call
 * @typedef {{target: string, stage: string, mode: string}} Transfer
 * @typedef {{id: string, created_at: number, status: string, type: string | null,
 *   category: string | null, address: string | null, urgency: string | null}} Earlier
 * @typedef {{state: string, reason: string | null, since: number, phones: number,
 *   wrap_up_until: number | null, pending: string | null, pending_reason: string | null,
 *   talk?: string | null, over?: boolean}} Presence over: the reason's daily allowance is used up
 * @typedef {{ticket: Ticket, finals: Utterance[], gaps: Gap[], recording: boolean,
 *   recordings: import("./recording.js").Part[],
 *   ratings: import("./after_call.js").Rating[],
 *   dispositions: import("./after_call.js").Chosen[]}} Opened
 *   a ticket that was opened from the list
 * @typedef {{call_id: string, recording: boolean,
 *   recordings: import("./recording.js").Part[]}} Recorded
 *
 * @typedef {object} State
 * @property {{id: string, name: string, role: string} | null} agent
 * @property {Presence | null} presence
 * @property {boolean} connected
 * @property {number} ahead seconds by which the server's clock is ahead of ours
 * @property {Call | null} call
 * @property {Ticket | null} ticket of the current call, or of the last one
 * @property {Utterance[]} finals
 * @property {Gap[]} gaps that are still to be recognised, or cannot be
 * @property {Record<string, string>} partials by leg
 * @property {Record<string, {status: string, detail: string | null}>} services
 * @property {Ticket[]} today
 * @property {Opened | null} opened
 * @property {Recorded | null} recorded the last call's recording, once that is over
 * @property {import("./help.js").Help | null} help for the current call, or the last one
 * @property {{call_id: string, tickets: Earlier[]} | null} history of whoever calls
 * @property {import("./today.js").CallRecord[]} calls the day's
 * @property {import("./call_back_list.js").Entry[]} callBacks whom to call back
 * @property {import("./inbox.js").Handover[]} inbox partners' tickets that wait, own ones that came back
 */

/** @returns {State} */
export function initialState() {
  return {
    agent: null,
    presence: null,
    connected: false,
    ahead: 0,
    call: null,
    ticket: null,
    finals: [],
    gaps: [],
    partials: {},
    services: {},
    today: [],
    opened: null,
    recorded: null,
    help: null,
    history: null,
    calls: [],
    callBacks: [],
    inbox: [],
  };
}

/**
 * A call as the snapshot tells it; what it does not tell (a paused recording) is kept.
 * @param {any} told
 * @param {Call | null} before
 * @returns {Call}
 */
function callOf({ transfer_to: target, transfer_stage: stage, ...told }, before) {
  const same = before?.call_id === told.call_id ? before : null;
  const mode = same?.transfer?.mode ?? "";
  return {
    ended_at: null,
    paused: same?.paused,
    ...told,
    transfer: target ? { target, stage, mode } : null,
  };
}

/** @param {State} state @param {any} event @param {number} now */
function onSnapshot(state, event, now) {
  const same = state.ticket && event.ticket?.id === state.ticket.id;
  return {
    ...state,
    agent: event.agent,
    presence: event.presence,
    connected: true,
    ahead: event.at - now,
    call: event.call ? callOf(event.call, state.call) : endedCall(state, event),
    // Without a call the last ticket stays on the desk until it is submitted or replaced.
    ticket: event.ticket ?? state.ticket,
    finals: event.ticket ? event.transcript : state.finals,
    gaps: event.ticket ? event.gaps : state.gaps,
    partials: same ? state.partials : {},
    services: event.services,
  };
}

/** The call that ended while the connection was away is shown as ended, not as going on. */
function endedCall(/** @type {State} */ state, /** @type {any} */ event) {
  if (!state.call) return null;
  if (state.call.state === "offered") return null;
  return { ...state.call, state: "ended", ended_at: state.call.ended_at ?? event.at };
}

/** Whether what was asked for earlier (a break after the call) still stands. */
function sameSpell(/** @type {Presence | null} */ presence, /** @type {any} */ event) {
  const held = ["reserved", "ringing", "talking"];
  const before = presence?.state ?? "";
  return before === event.state || (held.includes(before) && held.includes(event.state));
}

/**
 * What an answer to our own request adds. It knows more than the event of the same state (pending,
 * wrap_up_until), but comes by another connection: later events may have overtaken it.
 * @param {Presence | null} answer
 * @param {Presence | null} shown by the feed
 */
function withAnswer(answer, shown) {
  if (!answer || !shown || answer.since > shown.since) return answer;
  const same = answer.since === shown.since && answer.state === shown.state;
  return same ? { ...answer, phones: shown.phones, talk: shown.talk } : shown;
}

/** @type {Record<string, (state: State, event: any) => State>} */
const CHANGES = {
  "agent.presence": (state, event) => ({
    ...state,
    presence: {
      wrap_up_until: null,
      pending: null,
      pending_reason: null,
      ...(sameSpell(state.presence, event) ? state.presence : {}),
      state: event.state,
      reason: event.reason,
      since: event.since,
      phones: event.phones,
      talk: event.talk ?? null,
    },
    call:
      ["ready", "not_ready", "signed_out"].includes(event.state) && state.call?.state !== "talking"
        ? null
        : state.call,
  }),
  "agent.break_over": (state) =>
    state.presence ? { ...state, presence: { ...state.presence, over: true } } : state,
  "call.offered": (state, event) => ({
    ...state,
    call: {
      call_id: event.call_id,
      line: event.line,
      caller: event.caller,
      partner: event.partner,
      reference: event.reference,
      state: "offered",
      arrived_at: event.at,
      answered_at: null,
      ended_at: null,
      ticket_id: null,
    },
  }),
  "call.offer_failed": (state, event) =>
    state.call?.call_id === event.call_id ? { ...state, call: null } : state,
  "call.answered": (state, event) => ({
    ...state,
    opened: null,
    call: {
      ended_at: null,
      arrived_at: event.at,
      ...state.call,
      call_id: event.call_id,
      line: event.line,
      caller: event.caller,
      partner: event.partner,
      reference: event.reference,
      state: "talking",
      answered_at: event.at,
      ticket_id: event.ticket_id,
    },
    ...(state.ticket?.id === event.ticket_id
      ? {}
      : {
          ticket: {
            id: event.ticket_id,
            call_id: event.call_id,
            agent_id: event.agent_id,
            status: "draft",
            created_at: event.at,
            submitted_at: null,
            fields: {},
          },
          finals: [],
          gaps: [],
          partials: {},
          help: null,
        }),
  }),
  "call.help": (state, event) =>
    state.ticket?.id === event.ticket_id ? { ...state, help: event } : state,
  "ticket.step": (state, event) =>
    onTicket(state, event.ticket_id, (ticket) => ({ ...ticket, status: event.status })),
  "call.held": (state, event) =>
    onCall(state, event, (call) => ({
      ...call,
      held_by: [...new Set([...(call.held_by ?? []), event.party])],
    })),
  "call.resumed": (state, event) =>
    onCall(state, event, (call) => ({
      ...call,
      held_by: (call.held_by ?? []).filter((party) => party !== event.party),
    })),
  "call.muted": (state, event) =>
    onCall(state, event, (call) => ({ ...call, muted: event.muted })),
  "call.transfer": (state, event) => onCall(state, event, (call) => passing(call, event)),
  "call.ended": (state, event) =>
    state.call && state.call.call_id === event.call_id
      ? { ...state, call: { ...state.call, state: "ended", ended_at: event.at }, partials: {} }
      : state,
  "transcript.partial": (state, event) =>
    state.ticket?.call_id === event.call_id
      ? { ...state, partials: { ...state.partials, [event.leg]: event.text } }
      : state,
  "transcript.final": (state, event) => {
    const { seq, leg, start, end, text, later, confidence, doubtful } = event;
    return onTranscript(state, event.call_id, ({ finals, gaps }) => ({
      finals: [
        ...finals.filter((said) => said.seq !== seq),
        { seq, leg, start, end, text, later, confidence, doubtful },
      ].sort(
        (a, b) => a.start - b.start || a.seq - b.seq, // the order of speaking, as the API's
      ),
      gaps,
      // What comes from the recording says nothing of what is being said now.
      ...(later ? {} : { partials: { ...state.partials, [leg]: "" } }),
    }));
  },
  "transcript.gap": (state, event) => {
    const { leg, start, end } = event;
    return onTranscript(state, event.call_id, ({ finals, gaps }) => {
      const others = gaps.filter((gap) => gap.leg !== leg || gap.start !== start);
      const still = event.state === "recognised" ? [] : [{ leg, start, end, state: event.state }];
      return { finals, gaps: [...others, ...still] };
    });
  },
  "ticket.field": (state, event) =>
    onTicket(state, event.ticket_id, (ticket) => ({
      ...ticket,
      fields: {
        ...ticket.fields,
        [event.field]: {
          value: event.value,
          source: event.source,
          evidence: event.evidence,
          confidence: event.confidence,
          passage: event.passage,
        },
      },
    })),
  "ticket.submitted": (state, event) =>
    onTicket(state, event.ticket_id, (ticket) => ({
      ...ticket,
      status: "submitted",
      submitted_at: event.at,
    })),
  "service.status": (state, event) => ({
    ...state,
    services: { ...state.services, [event.part]: { status: event.status, detail: event.detail } },
  }),
};

/**
 * How a transfer goes. Once it is completed the call is somebody else's.
 * @param {Call} call
 * @param {any} event
 * @returns {Call}
 */
function passing(call, { stage, target, mode, at }) {
  if (stage === "left") return call; // what is left of it is asked for
  if (stage === "completed") return { ...call, transfer: null, state: "ended", ended_at: at };
  const over = ["cancelled", "failed"].includes(stage);
  return { ...call, transfer: over ? null : { stage, target, mode } };
}

/**
 * @param {State} state
 * @param {any} event
 * @param {(call: Call) => Call} change
 * @returns {State}
 */
function onCall(state, event, change) {
  const { call } = state;
  return call && call.call_id === event.call_id ? { ...state, call: change(call) } : state;
}

/**
 * Changes the transcript of a call wherever it is shown: on the desk, or opened from the list.
 * @param {State} state
 * @param {string} callId
 * @param {(shown: {finals: Utterance[], gaps: Gap[]}) =>
 *   {finals: Utterance[], gaps: Gap[], partials?: Record<string, string>}} change
 * @returns {State}
 */
function onTranscript(state, callId, change) {
  const { ticket, opened } = state;
  const open = opened?.ticket.call_id === callId ? opened : null;
  const { finals, gaps } = open ? change(open) : { finals: [], gaps: [] };
  return {
    ...state,
    ...(ticket?.call_id === callId ? change(state) : {}),
    opened: open ? { ...open, finals, gaps } : opened,
  };
}

/**
 * @param {State} state
 * @param {string} ticketId
 * @param {(ticket: Ticket) => Ticket} change
 * @returns {State}
 */
function onTicket(state, ticketId, change) {
  const { ticket, opened } = state;
  return {
    ...state,
    ticket: ticket?.id === ticketId ? change(ticket) : ticket,
    opened: opened?.ticket.id === ticketId ? { ...opened, ticket: change(opened.ticket) } : opened,
    today: state.today.map((listed) => (listed.id === ticketId ? change(listed) : listed)),
  };
}

/** @param {Ticket} ticket */
function byAgent(ticket) {
  return Object.fromEntries(
    Object.entries(ticket.fields).filter(([, field]) => field.source === "agent"),
  );
}

/**
 * @param {State} state
 * @param {any} event from the feed, or one of our own: lost, presence, tickets, corrected,
 *   submitted, help, filled, open, back, history, calls, call-backs, inbox, paused,
 *   live, outbound, outbound-over
 * @param {number} now Unix seconds, our clock
 * @returns {State}
 */
export function reduce(state, event, now) {
  switch (event.event) {
    case "snapshot":
      return onSnapshot(state, event, now);
    case "lost":
      return { ...state, connected: false };
    case "presence": // the answer to our own request
      return { ...state, presence: withAnswer(event.presence, state.presence) };
    case "tickets":
      return { ...state, today: event.tickets };
    case "corrected": // the answer to a correction; heard fields come by the feed, and in order
      return onTicket(state, event.ticket.id, (ticket) => ({
        ...ticket,
        fields: { ...ticket.fields, ...byAgent(event.ticket) },
      }));
    case "submitted": // the answer to the submission
      return onTicket(state, event.ticket.id, () => event.ticket);
    case "help": // fetched after a snapshot; what the feed told meanwhile is newer
      return state.help ? state : { ...state, help: event.help };
    case "filled": // fetched after the answer: events that came meanwhile are newer
      return onTicket(state, event.ticket.id, (ticket) => ({
        ...event.ticket,
        fields: { ...event.ticket.fields, ...ticket.fields },
      }));
    case "live": // asked for when parties come or go
      return onCall(state, event.call, (call) => callOf(event.call, call));
    case "outbound": // a call that he makes himself: no event tells of it
      return { ...state, call: callOf(event.call, state.call) };
    case "outbound-over":
      return state.call?.call_id === event.call_id ? { ...state, call: null } : state;
    case "history": // what is late may be of the call before
      if (state.call && state.call.call_id !== event.call_id) return state;
      return { ...state, history: { call_id: event.call_id, tickets: event.tickets } };
    case "calls":
      return { ...state, calls: event.calls };
    case "call-backs":
      return { ...state, callBacks: event.entries };
    case "inbox":
      return { ...state, inbox: event.handovers };
    case "paused": // the answer to our own request
      return onCall(state, event, (call) => ({ ...call, paused: event.paused }));
    case "recorded":
      return { ...state, recorded: event.recorded };
    case "open":
      return { ...state, opened: event.opened };
    case "back":
      return { ...state, opened: null };
    default: {
      const change = Object.hasOwn(CHANGES, event.event) ? CHANGES[event.event] : null;
      const mine = event.agent_id === state.agent?.id || event.event === "service.status";
      return change && mine ? change(state, event) : state;
    }
  }
}

/**
 * @param {State} state
 * @returns {Ticket | null} the ticket in the form
 */
export function shownTicket(state) {
  return state.opened ? state.opened.ticket : state.ticket;
}

/**
 * The day's tickets, the one of the current or last call first: it is listed before it is stored,
 * and as it is now.
 * @param {State} state
 * @returns {Ticket[]}
 */
export function listedTickets({ ticket, today }) {
  return ticket ? [ticket, ...today.filter(({ id }) => id !== ticket.id)] : today;
}

/**
 * What cannot wait in a ticket, by which words, and to whom the call should go.
 * @param {Ticket | null} ticket
 * @returns {{level: string, reason: string, to: string, words: string[]} | null}
 */
export function urgencyOf(ticket) {
  const value = (/** @type {string} */ name) => String(ticket?.fields[name]?.value ?? "");
  const level = value("urgency");
  if (!["紧急", "特急"].includes(level)) return null;
  const evidence = ["urgency", "urgency_reason", "transfer"].map((name) => ticket?.fields[name]?.evidence);
  const words = [...new Set(evidence.filter((/** @type {any} */ said) => said))];
  return { level, reason: value("urgency_reason"), to: value("transfer"), words: /** @type {string[]} */ (words) };
}
