// @ts-check
/**
 * A phone in the page: registers over the page's own server, is called, calls back what a reload
 * interrupted. SIP and sessions are JsSIP's; nothing here draws.
 */

import { api } from "./api.js";

/** @typedef {"off" | "connecting" | "ready" | "no_microphone" | "failed"} LineState */
/** @typedef {"none" | "ringing" | "calling" | "talking" | "held"} CallState */

const SAVED = "hotline.phone.dialog";
const REGAIN_MS = 30_000; // a leg that nobody hears from is hung up; until then it can be had back
const RENEW_MS = 30 * 60_000; // a pass is good for an hour
const REGISTER_SECONDS = 120;
const AGAIN_MS = 10_000; // a refused registration: at once again would be a storm, and a ban

/** Fires `change` whenever something of it is another. */
export class BrowserPhone extends EventTarget {
  constructor() {
    super();
    /** @type {LineState} */
    this.line = "off";
    /** @type {CallState} */
    this.call = "none";
    this.muted = false;
    this.caller = "";
    /** @type {MediaStream | null} */
    this.microphone = null;
    this.speaker = new Audio();
    this.speaker.autoplay = true;
    /** @type {any} */
    this.agent = null;
    /** @type {any} */
    this.session = null;
    this.user = "";
    this.echo = ""; // the number by which it hears itself
    this.renewing = 0;
    this.again = 0;
    this.interrupted = false; // the line broke in the middle of a call
    window.addEventListener("pagehide", () => this.keepDialog());
  }

  // -- the line -----------------------------------------------------------------------------

  /** @param {MediaStream} microphone what is sent in calls */
  async start(microphone) {
    this.stop();
    this.microphone = microphone;
    this.setLine("connecting");
    const [{ default: JsSIP }, pass] = await Promise.all([
      import("./vendor/jssip.js"),
      api.phonePass(),
    ]);
    if (this.line !== "connecting") return; // it was stopped meanwhile
    this.user = pass.user;
    this.echo = pass.echo;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(`${scheme}://${location.host}${pass.path}`)],
      uri: this.address(),
      authorization_user: pass.username,
      password: pass.password,
      register_expires: REGISTER_SECONDS,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 8,
    });
    agent.on("registered", () => {
      this.setLine("ready");
      if (this.interrupted) this.leave();
      this.regain();
    });
    agent.on("unregistered", () => this.setLine("connecting"));
    agent.on("disconnected", () => {
      this.interrupted = this.session?.isEstablished() ?? false;
      this.setLine("connecting");
    });
    agent.on("registrationFailed", () => {
      this.setLine("failed");
      clearTimeout(this.again);
      this.again = setTimeout(() => void this.renew(), AGAIN_MS);
    });
    agent.on("newRTCSession", (/** @type {any} */ event) => this.onSession(event));
    this.agent = agent;
    this.renewing = setInterval(() => void this.renew(), RENEW_MS);
    agent.start();
  }

  stop() {
    clearInterval(this.renewing);
    clearTimeout(this.again);
    const agent = this.agent;
    this.agent = null;
    if (agent) {
      agent.stop(); // which hangs up
      sessionStorage.removeItem(SAVED);
    }
    this.setLine("off");
  }

  /** @param {LineState} line */
  setLine(line) {
    if (line !== "off" && line !== "connecting" && !this.agent) return;
    this.line = line;
    this.changed();
  }

  async renew() {
    const agent = this.agent;
    if (!agent) return;
    try {
      const pass = await api.phonePass();
      agent.set("authorization_user", pass.username);
      agent.set("password", pass.password);
      if (this.line === "failed") agent.register();
    } catch {
      // signed out, or the server is away: the desk says so, and the next turn tries again
    }
  }

  address() {
    return `sip:${this.user}@${location.hostname}`;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  // -- calls --------------------------------------------------------------------------------

  /** @param {{session: any, originator: "local" | "remote"}} event */
  onSession({ session, originator }) {
    if (originator === "remote" && this.session) {
      session.terminate({ status_code: 486 });
      return;
    }
    this.session = session;
    this.muted = false;
    this.caller = session.remote_identity?.display_name || session.remote_identity?.uri?.user || "";
    this.setCall(originator === "remote" ? "ringing" : "calling");
    session.on("peerconnection", (/** @type {any} */ event) => this.listen(event.peerconnection));
    if (session.connection) this.listen(session.connection);
    session.on("confirmed", () => this.setCall("talking"));
    session.on("hold", () => this.setCall("held"));
    session.on("unhold", () => this.setCall("talking"));
    session.on("ended", () => this.over(session));
    session.on("failed", () => this.over(session));
  }

  /** @param {RTCPeerConnection} connection */
  listen(connection) {
    connection.addEventListener("track", ({ track, streams }) => {
      this.speaker.srcObject = streams[0] ?? new MediaStream([track]);
      void this.speaker.play();
    });
  }

  /** @param {any} session */
  over(session) {
    if (session !== this.session) return;
    this.session = null;
    this.speaker.srcObject = null;
    sessionStorage.removeItem(SAVED);
    this.setCall("none");
  }

  /** @param {CallState} call */
  setCall(call) {
    this.call = call;
    this.changed();
  }

  /** Calls the hotline's echo test: what is said goes the whole way of a call, and back. */
  callEcho() {
    if (this.session || this.line !== "ready") return;
    this.agent.call(`sip:${encodeURIComponent(this.echo)}@${location.hostname}`, this.media());
  }

  answer() {
    this.session?.answer(this.media());
  }

  hangUp() {
    if (this.session && !this.session.isEnded()) this.session.terminate();
  }

  hold() {
    if (this.call === "talking") this.session.hold();
    else if (this.call === "held") this.session.unhold();
  }

  mute() {
    if (!this.session) return;
    this.muted = !this.muted;
    if (this.muted) this.session.mute({ audio: true });
    else this.session.unmute({ audio: true });
    this.changed();
  }

  /** @param {string} keys one or more of 0-9*# */
  press(keys) {
    this.session?.sendDTMF(keys, { transportType: "RFC2833" });
  }

  media() {
    return {
      mediaStream: this.microphone,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [] },
    };
  }

  /** @param {MediaStream} microphone another one, also in the middle of a call */
  async useMicrophone(microphone) {
    this.microphone = microphone;
    const [track] = microphone.getAudioTracks();
    const senders = this.session?.connection?.getSenders() ?? [];
    for (const sender of senders) {
      if (sender.track?.kind === "audio") await sender.replaceTrack(track);
    }
    track.enabled = !this.muted;
  }

  // -- a reload, or a broken line, in the middle of a call ----------------------------------

  /**
   * Leaves a leg whose line is gone, so that the next one can take its place: the hotline could
   * not reach this page by it any more. Nothing is said to anybody.
   */
  leave() {
    this.interrupted = false;
    const { session } = this;
    if (!session?.isEstablished()) return;
    this.keepDialog();
    this.session = null;
    session.connection?.close();
  }

  /** Notes which call there is, for the page that comes after this one. */
  keepDialog() {
    const dialog = this.session?.isEstablished() ? this.session._dialog?.id : null;
    if (!dialog) return;
    const kept = {
      at: Date.now(),
      user: this.user,
      replaces: `${dialog.call_id};to-tag=${dialog.remote_tag};from-tag=${dialog.local_tag}`,
    };
    sessionStorage.setItem(SAVED, JSON.stringify(kept));
  }

  /** Takes the place of the former page's leg (RFC 3891); the other party hears a short gap. */
  regain() {
    const kept = JSON.parse(sessionStorage.getItem(SAVED) ?? "null");
    sessionStorage.removeItem(SAVED);
    if (!kept || this.session || kept.user !== this.user) return;
    if (Date.now() - kept.at > REGAIN_MS) return;
    this.agent.call(this.address(), {
      ...this.media(),
      extraHeaders: [`Replaces: ${kept.replaces}`],
    });
  }
}
