"""A phone made of pyVoIP, as a program of its own: pyVoIP is GPL, uses threads and blocks.

    python -P pyvoip_phone.py '{"server": …}'

Reads commands, one JSON object a line: {"do": "answer" | "hang_up" | "refuse" | "quit"}.
Writes what happens, one JSON object a line: {"event": "registered" | "not_registered" |
"incoming" | "answered" | "ended" | "failed", …}.

pyVoIP hears and speaks 8 kHz, 8 bit, unsigned. It knows A-law too but, in 1.6.8, encodes µ-law
under A-law's payload type, so this phone offers and accepts µ-law only.
"""

import contextlib
import json
import sys
import threading
import time
import wave
from array import array
from pathlib import Path
from typing import Any

import pyVoIP
from pyVoIP.RTP import PayloadType
from pyVoIP.VoIP import CallState, PhoneStatus, VoIPCall, VoIPPhone

pyVoIP.DEBUG = True
pyVoIP.RTPCompatibleCodecs = [PayloadType.PCMU, PayloadType.EVENT]

FRAME = 160
FRAME_SECONDS = 0.02
SILENCE = b"\x80" * FRAME


# pyVoIP prints remarks: they go to standard error, so that only events are on standard output.
EVENTS = sys.stdout
sys.stdout = sys.stderr


def tell(event: str, **details: object) -> None:
    """Write one event."""
    EVENTS.write(json.dumps({"event": event, **details}) + "\n")
    EVENTS.flush()


def read_wav(path: Path) -> bytes:
    """Return 16-bit samples cut down to 8 bit unsigned."""
    with wave.open(str(path), "rb") as file:
        samples = array("h", file.readframes(file.getnframes()))
    return bytes((sample >> 8) + 128 for sample in samples)


class Phone:
    """One registered phone that has at most one call."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.speech = read_wav(Path(options["source"]))
        self.heard = Path(options["heard"])
        self.call: VoIPCall | None = None
        self.ended = threading.Event()
        self.phone = VoIPPhone(
            options["server"],
            options["port"],
            options["user"],
            options["password"],
            myIP="127.0.0.1",
            sipPort=options["sip_port"],
            rtpPortLow=options["rtp_port"],
            rtpPortHigh=options["rtp_last"],
            callCallback=self.incoming,
        )

    def start(self) -> None:
        """Register. pyVoIP swallows what the registrar says, and leaves a status."""
        self.phone.start()
        status = self.phone.get_status()
        if status == PhoneStatus.REGISTERED:
            tell("registered")
        else:
            tell("not_registered", reason=status.name)

    def incoming(self, call: VoIPCall) -> None:
        """Stay with a call until it has ended: pyVoIP runs this in a thread of its own."""
        self.call = call
        self.ended.clear()
        tell("incoming", caller=call.request.headers["From"]["number"])
        while call.state == CallState.RINGING and not self.ended.is_set():
            time.sleep(FRAME_SECONDS)
        if call.state == CallState.ANSWERED:
            tell("answered")
            self.converse(call)
        self.call = None
        tell("ended")

    def converse(self, call: VoIPCall) -> None:
        """Say what there is to say, and write down what is heard at the pace of speech."""
        call.write_audio(self.speech)
        with wave.open(str(self.heard), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(8000)
            due = time.monotonic()
            while call.state == CallState.ANSWERED:
                frame = call.read_audio(FRAME, blocking=False)
                if frame != SILENCE:
                    file.writeframes(frame)
                due += FRAME_SECONDS
                time.sleep(max(0.0, due - time.monotonic()))

    def obey(self, command: dict[str, Any]) -> bool:
        """Carry out a command; return False for the last one."""
        call = self.call
        if command["do"] == "quit":
            return False
        if call is None:
            tell("failed", reason="there is no call")
        elif command["do"] == "answer":
            call.answer()
        elif command["do"] == "refuse":
            with contextlib.suppress(
                AttributeError
            ):  # it says 486, and then closes what is not open
                call.deny()
            call.state = CallState.ENDED
        elif command["do"] == "hang_up":
            call.hangup()
        return True


def main() -> None:
    """Run until told to quit or standard input ends."""
    phone = Phone(json.loads(sys.argv[1]))
    phone.start()
    for line in sys.stdin:
        if not phone.obey(json.loads(line)):
            break
    phone.ended.set()
    with contextlib.suppress(Exception):  # it may have no registration to take back
        phone.phone.stop()
    tell("stopped")


if __name__ == "__main__":
    main()
