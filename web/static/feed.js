// @ts-check
/**
 * The event feed: connects, and connects again with growing pauses for as long as it is wanted.
 *
 * The server sends something at least every 15 s; a connection that is silent for longer has died
 * without a word (a cable, a sleeping laptop) and is replaced.
 */

const SILENCE_MS = 40_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const SESSION_OVER = 4401;

export class Feed {
  /**
   * @param {object} hooks
   * @param {(event: any) => void} hooks.onEvent each message, the snapshot first
   * @param {() => void} hooks.onLost the connection broke; a new one is being tried
   * @param {() => Promise<boolean>} hooks.stillSignedIn false ends the trying
   */
  constructor({ onEvent, onLost, stillSignedIn }) {
    this.onEvent = onEvent;
    this.onLost = onLost;
    this.stillSignedIn = stillSignedIn;
    this.pause = FIRST_PAUSE_MS;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.silence = 0;
    this.retry = 0;
    this.wanted = false;
    window.addEventListener("online", () => this.hurry());
  }

  open() {
    this.wanted = true;
    this.connect();
  }

  close() {
    this.wanted = false;
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Tries at once instead of waiting out the pause. */
  hurry() {
    if (!this.wanted || this.socket) return;
    clearTimeout(this.retry);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/feed`);
    this.socket = socket;
    this.listen(socket);
    socket.onmessage = (message) => {
      if (socket !== this.socket) return;
      this.listen(socket);
      const event = JSON.parse(message.data);
      if (event.event === "snapshot") this.pause = FIRST_PAUSE_MS;
      if (event.event !== "ping") this.onEvent(event);
    };
    socket.onclose = (closed) => this.lost(socket, closed.code);
  }

  /** @param {WebSocket} socket */
  listen(socket) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      socket.close();
      this.lost(socket, 0); // a dead connection takes its time to close; don't wait for it
    }, SILENCE_MS);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  async lost(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.silence);
    this.onLost();
    // The handshake's status cannot be seen from a page, so ask whether the session is over.
    if (code === SESSION_OVER || !(await this.stillSignedIn())) return;
    if (!this.wanted || this.socket) return;
    this.retry = setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
