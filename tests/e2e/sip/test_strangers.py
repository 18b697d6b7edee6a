"""A call goes on whatever else arrives at our ports."""

import asyncio
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sip.conftest import Duty
from tests.e2e.sip.raw import HOST, Address, Caller, RawSip, Registration, description
from tests.e2e.sip.talk import talking
from tests.support.node import PASSWORD, RunningNode
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import sine

pytestmark = pytest.mark.e2e

STRANGER = "127.0.0.2"
GARBAGE = 20_000
MUTANTS = 2_000
BURST = 50
HEADROOM_KB = 8 * 1024
_SEED = 12345


async def test_a_stranger_who_talks_into_a_call_is_heard_by_nobody(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with (
        duty("1003") as agent,
        talking(trunk, agent, sip) as talk,
        RtpPhone(ssrc=66) as stranger,
        RtpPhone(ssrc=talk.citizens_voice.ssrc) as impostor,
    ):
        noise = sine(1300, 0.6, amplitude=20000)
        ports = (talk.citizens_port, talk.agents_port)
        for port in ports:  # even the first at a port has to make way for whom the SDP names
            await stranger.play(noise[:1600], (HOST, port))
        await talk.is_heard()
        stranger.datagrams.clear()
        await asyncio.gather(
            talk.is_heard(),
            *(
                intruder.play(noise, (HOST, port))
                for intruder in (stranger, impostor)
                for port in ports
            ),
        )
        assert stranger.datagrams == impostor.datagrams == []
        await talk.citizen_hangs_up()


async def test_a_dialogs_name_without_its_tags_moves_nothing(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1004") as agent, talking(trunk, agent, sip) as talk:
        async with RawSip(STRANGER) as stranger:
            forged = Caller(stranger, sip)
            forged.call_id = talk.citizen.call_id
            forged.remote = talk.citizen.remote
            for method in ("BYE", "INVITE", "UPDATE"):
                forged.ask(method, sdp=description(50000) if method != "BYE" else "")
                await stranger.response(f"481 {method}")
            forged.branch = talk.citizen.branch
            forged.cancel()  # §9.2: another sender's branch is another transaction's
            await _has_read_everything(stranger, sip)
        await talk.is_heard()
        await talk.citizen_hangs_up()


async def test_garbage_disturbs_no_call_and_takes_no_memory(
    node: RunningNode, sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1005") as agent, talking(trunk, agent, sip) as talk:
        # Both have been heard: from now on their ports are nobody else's. (Before, a stranger may
        # be taken for a silent party behind a NAT, and what of his is still on its way is heard.)
        await talk.is_heard()
        rng = random.Random(_SEED)
        processes = [node.pid, node.children()["media"]]
        async with RawSip(STRANGER) as stranger:
            targets = (sip, (HOST, talk.citizens_port), (HOST, talk.agents_port))
            await _pour(stranger, sip, targets, _noise(rng, GARBAGE // 10))
            before = [_resident_kb(pid) for pid in processes]
            await _pour(stranger, sip, targets, _noise(rng, GARBAGE))
            after = [_resident_kb(pid) for pid in processes]
        for grown, was in zip(after, before, strict=True):
            assert grown < was + HEADROOM_KB
        await talk.is_heard()
        await talk.citizen_hangs_up()
        assert trunk.story == ["180 INVITE", "200 INVITE", "200 BYE"]


async def test_messages_with_errors_of_every_kind_raise_nothing(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1006") as agent, talking(trunk, agent, sip) as talk:
        rng = random.Random(_SEED)
        async with RawSip(STRANGER) as stranger:
            await _pour(stranger, sip, (sip,), _mutants(rng, stranger, sip))
        await talk.is_heard()
        await talk.citizen_hangs_up()


def _noise(rng: random.Random, count: int) -> Iterator[bytes]:
    """Return what is no message: noise, RTP and STUN at the wrong door, messages cut short."""
    message = b"INVITE sip:12345@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:9;branch=z9hG4bK"
    for number in range(count):
        match number % 6:
            case 0:
                yield rng.randbytes(rng.randrange(1, 1400))
            case 1:
                yield b"\x80\x08" + rng.randbytes(170)
            case 2:
                yield b"\x00\x01\x00\x00\x21\x12\xa4\x42" + rng.randbytes(12)
            case 3:
                yield message[: rng.randrange(len(message))]
            case 4:
                yield b"SIP/2.0 200 OK\r\n" + rng.randbytes(300)
            case _:
                yield b"\r\n\r\n" * rng.randrange(4)


def _mutants(rng: random.Random, wire: RawSip, sip: Address) -> Iterator[bytes]:
    """Return messages of our own with bytes changed, cut out and doubled."""
    caller = Caller(wire, sip)
    phone = Registration(wire, sip, "1001", PASSWORD)
    caller.remote += ";tag=nobody"
    whole = [
        Caller(wire, sip).write("INVITE", sdp=description(40000), headers=(_HEADERS[0],)),
        caller.write("INVITE", sdp=description(40000)),
        caller.write("BYE", headers=_HEADERS),
        caller.write("OPTIONS", headers=_HEADERS),
        caller.write("ACK"),
        caller.write("CANCEL"),
        phone.write("REGISTER", headers=(("Authorization", _CREDENTIALS), ("Expires", "60"))),
        phone.write("REGISTER", headers=(("Contact", "*"), ("Expires", "0"))),
        b"SIP/2.0 200 OK\r\n" + caller.write("INVITE").split(b"\r\n", 1)[1],
    ]
    for _ in range(MUTANTS):
        message = bytearray(rng.choice(whole))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(message))
            piece = slice(at, at + rng.randrange(1, 40))
            match rng.randrange(4):
                case 0:
                    message[at] = rng.randrange(256)
                case 1:
                    del message[piece]
                case 2:
                    message[at:at] = message[piece] * rng.choice((1, 2, 200))
                case _:
                    message[at:at] = rng.choice(_SPICE)
        yield bytes(message[:60_000])


_HEADERS = (("Route", "<sip:127.0.0.2;lr>"), ("P-Asserted-Identity", '"x" <tel:+8613862311001>'))
_CREDENTIALS = (
    'Digest username="1001", realm="hotline", nonce="00", uri="sip:x", response="00",'
    " algorithm=SHA-256, qop=auth, nc=00000001, cnonce=x"
)
_SPICE = (b"\r\n", b"\0", b"\xff\xfe", b"%00", b'"', b"<", b";", b",", b"9" * 5000, "民".encode())


async def _pour(
    stranger: RawSip, sip: Address, targets: tuple[Address, ...], datagrams: Iterator[bytes]
) -> None:
    """Send datagrams to the targets in turn, no faster than the node reads them."""
    asker = Caller(stranger, sip)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.bind((STRANGER, 0))
        for number, datagram in enumerate(datagrams):
            source.sendto(datagram, targets[number % len(targets)])
            if number % BURST == 0:
                await _has_read_everything(stranger, sip, asker)


async def _has_read_everything(stranger: RawSip, sip: Address, asker: Caller | None = None) -> None:
    """Wait until the node has answered what was sent after everything else."""
    (asker or Caller(stranger, sip)).ask("OPTIONS")
    await stranger.response("200 OPTIONS")


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
