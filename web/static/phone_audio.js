// @ts-check
/** Microphone and loudspeaker of the page's phone: choice, level, and hearing oneself. */

const MICROPHONE = "hotline.phone.microphone";
const SPEAKER = "hotline.phone.speaker";
const ECHO_SECONDS = 1;
const FLOOR_DB = -60;

/** @typedef {{setSinkId?: (id: string) => Promise<void>}} Sink */

export class PhoneAudio {
  constructor() {
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
    /** @type {(() => void) | null} */
    this.stopEcho = null;
    this.microphoneId = localStorage.getItem(MICROPHONE) ?? "";
    this.speakerId = localStorage.getItem(SPEAKER) ?? "";
  }

  /**
   * Opens the chosen microphone, or another when that is not there any more.
   * @returns {Promise<MediaStream>}
   */
  async open() {
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const deviceId = this.microphoneId ? { ideal: this.microphoneId } : undefined;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...wanted, deviceId } });
    this.close();
    this.stream = stream;
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    return stream;
  }

  close() {
    this.stopEcho?.();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    void this.context?.close();
    this.stream = this.context = this.analyser = null;
  }

  /** @returns {number} how loud the microphone is now: 0 silence, 1 full scale, by decibels */
  level() {
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-9);
    return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
  }

  /** @returns {Promise<{microphones: MediaDeviceInfo[], speakers: MediaDeviceInfo[]}>} */
  async devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    return {
      microphones: all.filter(({ kind }) => kind === "audioinput"),
      speakers: all.filter(({ kind }) => kind === "audiooutput"),
    };
  }

  /** @param {string} deviceId */
  chooseMicrophone(deviceId) {
    this.microphoneId = deviceId;
    localStorage.setItem(MICROPHONE, deviceId);
  }

  /** @param {string} deviceId @param {HTMLAudioElement} element what is heard */
  async chooseSpeaker(deviceId, element) {
    this.speakerId = deviceId;
    localStorage.setItem(SPEAKER, deviceId);
    await this.direct(element);
  }

  /**
   * Lets an element be heard from the chosen loudspeaker; from the usual one when that is away.
   * @param {HTMLAudioElement} element
   */
  async direct(element) {
    const { setSinkId } = /** @type {Sink} */ (element);
    if (!setSinkId) return; // a browser that leaves it to the system
    try {
      await setSinkId.call(element, this.speakerId);
    } catch {
      await setSinkId.call(element, "");
    }
  }

  /** Lets the agent hear himself, a second late; again: stops that. @returns {Promise<boolean>} */
  async echo() {
    if (this.stopEcho) {
      this.stopEcho();
      return false;
    }
    if (!this.context || !this.stream) return false;
    const source = this.context.createMediaStreamSource(this.stream);
    const delay = this.context.createDelay(ECHO_SECONDS);
    delay.delayTime.value = ECHO_SECONDS;
    const out = this.context.createMediaStreamDestination();
    source.connect(delay).connect(out);
    const heard = new Audio();
    heard.srcObject = out.stream;
    this.stopEcho = () => {
      source.disconnect();
      heard.srcObject = null;
      this.stopEcho = null;
    };
    await this.direct(heard);
    await heard.play();
    return true;
  }
}

/** The ring of the page's phone: two tones, a second in four. */
export class Ring {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
  }

  start() {
    if (this.context) return;
    const context = (this.context = new AudioContext());
    const gain = context.createGain();
    gain.gain.value = 0;
    for (let at = 0; at < 120; at += 4) {
      gain.gain.setValueAtTime(0.15, context.currentTime + at);
      gain.gain.setValueAtTime(0, context.currentTime + at + 1);
    }
    for (const hertz of [440, 480]) {
      const tone = context.createOscillator();
      tone.frequency.value = hertz;
      tone.connect(gain);
      tone.start();
    }
    gain.connect(context.destination);
  }

  stop() {
    void this.context?.close();
    this.context = null;
  }
}
