"""An agent with nothing but the page: calls are answered in Chromium, by WebRTC, and survive it."""

import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.e2e.ask import until_nothing_is_left
from tests.e2e.desktop import SECONDS, Desktop, at_desktop
from tests.support.axe import findings
from tests.support.baresip import Baresip
from tests.support.browser import chromium
from tests.support.node import running_node
from tests.support.tones import Pcm, sine, tone_level
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

CITIZENS_TONE, AGENTS_TONE = 700, 440
LOUD = -45.0
HEADER = 44  # octets of a WAV file before its samples

# How loud a tone is in what the page's phone plays, dB of full scale, once it is loud enough.
HEARS = """([hertz, decibels]) => {
  const stream = window.heard?.();
  if (!stream) return false;
  if (window.listening?.stream !== stream) window.listening = (() => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    context.createMediaStreamSource(stream).connect(analyser);
    return { stream, context, analyser };
  })();
  const { context, analyser } = window.listening;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  return bins[Math.round(hertz * analyser.fftSize / context.sampleRate)] > decibels;
}"""
# The page's own connection: what it gives to its loudspeaker.
EAVESDROP = """
const Plain = window.RTCPeerConnection;
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...given) {
    super(...given);
    if (given[1] === "sip") window.line = this;
  }
};
window.connections = 0;
window.RTCPeerConnection = class extends Plain {
  constructor(...given) {
    super(...given);
    window.connections += 1;
    window.heard = () => {
      const [receiver] = this.getReceivers();
      if (receiver) this.stream ??= new MediaStream([receiver.track]);
      return this.stream;
    };
  }
};
"""


def spoken(path: Path) -> Path:
    """What the agent says: short tones, for a lasting one is noise to a browser's microphone."""
    beep = np.concatenate((sine(AGENTS_TONE, 0.3, 12000, 48000), np.zeros(9600, np.int16)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(np.tile(beep, 20).tobytes())
    return path


def heard_by(citizen: Baresip) -> Pcm:
    """What the citizen has heard so far; the file's header is only true when it is closed."""
    samples = citizen.heard().read_bytes()[HEADER:]
    return np.frombuffer(samples[: len(samples) // 2 * 2], np.int16)


def hears_agent(citizen: Baresip, *, since: int = 0) -> bool:
    """Whether the agent's tone is anywhere in what the citizen has heard since a sample."""
    heard = heard_by(citizen)[since:]
    pieces = (heard[at : at + 1600] for at in range(0, len(heard) - 1600, 800))
    return any(tone_level(piece, AGENTS_TONE) > LOUD for piece in pieces)


async def page_hears_citizen(desktop: Desktop) -> None:
    await desktop.page.wait_for_function(HEARS, arg=[CITIZENS_TONE, LOUD], timeout=1000 * SECONDS)


async def test_a_call_is_answered_in_the_page_and_outlives_its_reload_and_its_line(
    tmp_path: Path,
) -> None:
    async with (
        running_node(tmp_path / "node", {"asr__enabled": "false"}) as node,
        chromium(microphone=spoken(tmp_path / "agent.wav")) as browser,
        at_desktop(browser, node, "1001") as desktop,
        Baresip(tmp_path / "citizen", user="13862311001", source=CITIZENS_TONE) as citizen,
    ):
        await desktop.page.add_init_script(EAVESDROP)
        await desktop.page.reload()
        await the_phone_is_turned_on(desktop)
        await it_hears_itself_through_the_server(desktop)
        await desktop.press("ready")
        await desktop.shows("state-name", "示闲")
        await citizen.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
        await desktop.shows("phone-summary", "来电")
        await desktop.page.keyboard.press("Alt+a")
        await citizen.wait_event("CALL_ESTABLISHED")
        await both_hear(desktop, citizen)
        await desktop.page.reload()
        await desktop.shows("phone-summary", "通话中")
        await both_hear(desktop, citizen, since=len(heard_by(citizen)))
        await desktop.page.evaluate("window.line.close()")
        await desktop.page.wait_for_function(
            "() => window.connections === 2", timeout=1000 * SECONDS
        )
        await desktop.shows("phone-summary", "通话中")
        await both_hear(desktop, citizen, since=len(heard_by(citizen)))
        await desktop.part("browser-phone").locator("summary").click()
        await desktop.press("phone-mute")
        await expect(desktop.part("phone-mute")).to_have_attribute("aria-pressed", "true")
        await desktop.press("phone-hang-up")
        await citizen.wait_event("CALL_CLOSED")
        await desktop.shows("state-name", "话后整理")
        await desktop.shows("phone-summary", "话机就绪")
        await until_nothing_is_left(node)


async def the_phone_is_turned_on(desktop: Desktop) -> None:
    await desktop.part("browser-phone").locator("summary").click()
    await desktop.press("phone-on")
    await desktop.shows("phone-summary", "话机就绪")
    await desktop.shows("phone", "话机已注册")
    for device in ("microphone", "speaker"):
        assert await desktop.part(f"phone-{device}").locator("option").count() > 0
    meter = "() => document.querySelector('[data-testid=phone-level]').value > 0.2"
    await desktop.page.wait_for_function(meter, timeout=1000 * SECONDS)  # he speaks
    for pressed in ("true", "false"):
        await desktop.press("phone-echo")
        await expect(desktop.part("phone-echo")).to_have_attribute("aria-pressed", pressed)
    assert await findings(desktop.page) == []


async def it_hears_itself_through_the_server(desktop: Desktop) -> None:
    await desktop.press("phone-whole-way")
    # From the first moment on: in the end his browser takes what repeats itself for an echo.
    await desktop.page.wait_for_function(HEARS, arg=[AGENTS_TONE, LOUD], timeout=1000 * SECONDS)
    await desktop.shows("phone-summary", "通话中")
    await desktop.press("phone-hang-up")
    await desktop.shows("phone-summary", "话机就绪")


async def both_hear(desktop: Desktop, citizen: Baresip, *, since: int = 0) -> None:
    await page_hears_citizen(desktop)
    await until(lambda: hears_agent(citizen, since=since), seconds=SECONDS)
