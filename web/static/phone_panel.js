// @ts-check
/** The page's phone as one sees it: a menu in the desk's bar, which opens by itself when it rings. */

import { has, t } from "./i18n.js";
import { byId, make, setText } from "./page.js";
import { BrowserPhone } from "./phone.js";
import { PhoneAudio, Ring } from "./phone_audio.js";

const WANTED = "hotline.phone.on";
const KEYS = "123456789*0#";
const LEVEL_MS = 100;

export class PhonePanel {
  constructor() {
    this.phone = new BrowserPhone();
    this.audio = new PhoneAudio();
    this.ring = new Ring();
    this.metering = 0;
    this.before = "none";
    this.menu = /** @type {HTMLDetailsElement} */ (byId("browser-phone"));
    this.meter = /** @type {HTMLMeterElement} */ (byId("phone-level"));
    this.microphones = /** @type {HTMLSelectElement} */ (byId("phone-microphone"));
    this.speakers = /** @type {HTMLSelectElement} */ (byId("phone-speaker"));
    this.menu.hidden = !navigator.mediaDevices; // no secure page, no microphone
    this.wire();
    this.phone.addEventListener("change", () => this.draw());
  }

  wire() {
    byId("phone-on").addEventListener("click", () => void this.toggle());
    byId("phone-answer").addEventListener("click", () => this.phone.answer());
    byId("phone-hang-up").addEventListener("click", () => this.phone.hangUp());
    byId("phone-hold").addEventListener("click", () => this.phone.hold());
    byId("phone-mute").addEventListener("click", () => this.phone.mute());
    byId("phone-echo").addEventListener("click", () => void this.echo());
    byId("phone-whole-way").addEventListener("click", () => this.phone.callEcho());
    for (const key of KEYS) {
      const button = make("button", "key", key);
      button.addEventListener("click", () => this.phone.press(key));
      byId("phone-keys").append(button);
    }
    this.microphones.addEventListener("change", () => {
      this.audio.chooseMicrophone(this.microphones.value);
      void this.changeMicrophone();
    });
    this.speakers.addEventListener("change", () => {
      void this.audio.chooseSpeaker(this.speakers.value, this.phone.speaker);
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.listDevices());
  }

  /** Somebody has signed in. */
  show() {
    if (localStorage.getItem(WANTED) === "yes") void this.turnOn();
    this.draw();
  }

  /** He has signed out. */
  hide() {
    this.turnOff();
    this.menu.open = false;
  }

  isRinging() {
    return this.phone.call === "ringing";
  }

  answer() {
    this.phone.answer();
  }

  /** Whether it could be turned on, and is not. */
  isOffered() {
    return !this.menu.hidden && ["off", "no_microphone"].includes(this.phone.line);
  }

  async toggle() {
    const wanted = this.phone.line === "off" || this.phone.line === "no_microphone";
    localStorage.setItem(WANTED, wanted ? "yes" : "no");
    if (wanted) await this.turnOn();
    else this.turnOff();
  }

  async turnOn() {
    if (!navigator.mediaDevices || this.phone.agent) return;
    let microphone;
    try {
      microphone = await this.audio.open();
    } catch {
      this.phone.line = "no_microphone"; // refused, or there is none
      this.draw();
      return;
    }
    this.metering = setInterval(() => this.showLevel(), LEVEL_MS);
    await this.listDevices();
    await this.audio.direct(this.phone.speaker);
    try {
      await this.phone.start(microphone);
    } catch {
      this.turnOff(); // signed out meanwhile, or the server is away
    }
  }

  turnOff() {
    clearInterval(this.metering);
    this.phone.stop();
    this.audio.close();
    this.draw();
  }

  async changeMicrophone() {
    if (this.phone.line !== "off") await this.phone.useMicrophone(await this.audio.open());
  }

  async listDevices() {
    const { microphones, speakers } = await this.audio.devices();
    fill(this.microphones, microphones, this.audio.microphoneId);
    fill(this.speakers, speakers, this.audio.speakerId);
  }

  async echo() {
    const heard = await this.audio.echo();
    byId("phone-echo").setAttribute("aria-pressed", String(heard));
  }

  showLevel() {
    if (this.menu.open) this.meter.value = this.audio.level();
  }

  draw() {
    const { line, call, muted, caller } = this.phone;
    const busy = call !== "none";
    this.menu.dataset.line = line;
    this.menu.dataset.call = call;
    setText(byId("phone-summary"), t(busy ? `phone.call.${call}` : `phone.line.${line}`));
    setText(byId("phone-on"), t(line === "off" || line === "no_microphone" ? "phone.turn_on" : "phone.turn_off"));
    const hint = `phone.hint.${line}`;
    setText(byId("phone-hint"), has(hint) ? t(hint) : "");
    setText(byId("phone-caller"), caller);
    byId("phone-call").hidden = !busy;
    byId("phone-answer").hidden = call !== "ringing";
    byId("phone-hold").hidden = byId("phone-mute").hidden = call !== "talking" && call !== "held";
    byId("phone-keys").hidden = call !== "talking";
    byId("phone-hold").setAttribute("aria-pressed", String(call === "held"));
    byId("phone-mute").setAttribute("aria-pressed", String(muted));
    byId("phone-whole-way").hidden = busy || line !== "ready" || !this.phone.echo;
    byId("phone-devices").hidden = line === "off" || line === "no_microphone";
    if (call === "ringing") this.ring.start();
    else this.ring.stop();
    // It opens by itself to be answered, and then gets out of the ticket's way.
    if (call === "ringing" && this.before !== "ringing") this.menu.open = true;
    if (call !== "ringing" && this.before === "ringing") this.menu.open = false;
    this.before = call;
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} devices
 * @param {string} chosen
 */
function fill(select, devices, chosen) {
  select.replaceChildren(
    ...devices.map(({ deviceId, label }) => new Option(label || t("phone.device"), deviceId)),
  );
  if (devices.some(({ deviceId }) => deviceId === chosen)) select.value = chosen;
}
