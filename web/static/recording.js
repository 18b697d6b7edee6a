// @ts-check
/** A call's recording: a file for each agent who held the call, on the call's one time line. */

import { api } from "./api.js";

/**
 * @typedef {{part: number, begins: number | null, seconds: number}} Part
 *   begins: seconds since the answer; of older ones nobody knows: each follows the one before
 */

export class Recording {
  /**
   * @param {HTMLAudioElement} audio
   * @param {(part: number) => void} [onPart] another file is played from now on
   */
  constructor(audio, onPart = () => {}) {
    this.audio = audio;
    this.onPart = onPart;
    this.shown = "";
    this.callId = "";
    /** @type {{part: number, begins: number}[]} */
    this.parts = [];
    this.at = 0;
    audio.addEventListener("ended", () => this.goOn());
    audio.addEventListener("error", () => this.skip());
  }

  /** @param {string} callId "" for none @param {Part[]} [parts] as the call's record has them */
  show(callId, parts = []) {
    this.audio.hidden = !callId;
    const wanted = JSON.stringify([callId, parts]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.callId = callId;
    let end = 0;
    this.parts = [...parts]
      .sort((a, b) => a.part - b.part)
      .map(({ part, begins, seconds }) => {
        const from = begins ?? end;
        end = from + seconds;
        return { part, begins: from };
      });
    // A part whose media process died is in no record; the first one's file is known all the same.
    if (this.parts[0]?.part !== 1) this.parts.unshift({ part: 1, begins: 0 });
    this.take(0);
  }

  /** @param {number} at which of the parts */
  take(at) {
    this.at = at;
    if (this.callId) this.audio.src = api.recordingUrl(this.callId, this.parts[at].part);
    else this.audio.removeAttribute("src");
    this.audio.load();
    this.onPart(this.parts[at].part);
  }

  /** @param {number} seconds since the answer */
  async play(seconds) {
    this.seek(seconds);
    await this.audio.play();
  }

  /** @param {number} seconds since the answer */
  seek(seconds) {
    const later = this.parts.findIndex(({ begins }) => begins > seconds);
    const at = Math.max(0, (later < 0 ? this.parts.length : later) - 1);
    if (at !== this.at) this.take(at);
    this.audio.currentTime = Math.max(0, seconds - this.parts[at].begins);
  }

  /** @returns {number} seconds since the answer, of what is being played */
  now() {
    return this.parts[this.at].begins + this.audio.currentTime;
  }

  /** Leaves out a file that isn't there: its media process died before it was written. */
  skip() {
    const missing = this.audio.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
    if (missing && this.callId && this.at + 1 < this.parts.length) this.take(this.at + 1);
  }

  goOn() {
    if (this.at + 1 >= this.parts.length) return;
    this.take(this.at + 1);
    this.audio.play().catch(() => {}); // (the next part is there to be played by hand)
  }
}
