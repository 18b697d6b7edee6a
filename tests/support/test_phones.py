"""The phones' drivers do what they say: phones talk to each other, without our own node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.baresip import Baresip, BaresipError
from tests.support.ports import free_udp_port
from tests.support.pyvoip import PyVoipError, PyVoipPhone
from tests.support.sipp import Address, SippRun, register
from tests.support.tones import RATE, dominant, tone_level
from tests.support.waiting import until
from tests.support.waveforms import read_mono, write_tone

LOUD = -14.0
"""dBFS: a tone of amplitude 10,000 is at -10.3; codec and phone may take a little."""


def assert_heard(path: Path, frequency: int, *others: int) -> None:
    pcm = read_mono(path)
    assert len(pcm) >= 0.9 * RATE
    assert dominant(pcm) == pytest.approx(frequency, abs=5)
    assert tone_level(pcm, frequency) > LOUD
    for other in others:
        assert tone_level(pcm, other) < LOUD - 30


async def test_baresip_and_baresip_hear_each_other(tmp_path: Path) -> None:
    async with (
        Baresip(tmp_path / "a", user="1001", source=440) as caller,
        Baresip(tmp_path / "b", user="1002", source=1000) as callee,
    ):
        await caller.dial(callee.uri)
        incoming = await callee.wait_event("CALL_INCOMING")
        assert incoming["peeruri"] == caller.uri
        await callee.answer()
        await caller.wait_event("CALL_ESTABLISHED")
        await caller.wait_heard(1.0)
        await callee.wait_heard(1.0)
        await caller.hang_up()
        await callee.wait_event("CALL_CLOSED")
        assert_heard(caller.heard(), 1000, 440)
        assert_heard(callee.heard(), 440, 1000)


async def test_baresip_speaks_u_law_and_hangs_up_when_its_file_has_ended(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "short.wav", 600, seconds=1.2)
    async with (
        Baresip(tmp_path / "a", user="1001", source=source, codec="PCMU") as caller,
        Baresip(tmp_path / "b", user="1002", codec="PCMU", auto_answer=True) as callee,
    ):
        await caller.dial(callee.uri)
        await callee.wait_event("CALL_ESTABLISHED")
        await callee.wait_event("CALL_CLOSED")
        assert "PCMU 8000Hz" in callee.said()
        assert_heard(callee.heard(), 600)


async def test_baresip_refuses(tmp_path: Path) -> None:
    async with (
        Baresip(tmp_path / "a", user="1001") as caller,
        Baresip(tmp_path / "b", user="1002") as callee,
    ):
        await caller.dial(callee.uri)
        await callee.wait_event("CALL_INCOMING")
        await callee.hang_up()
        closed = await caller.wait_event("CALL_CLOSED")
        assert "Busy" in closed["param"] or "Declin" in closed["param"] or "486" in closed["param"]


async def test_baresip_answers_to_a_challenge(tmp_path: Path) -> None:
    async with (
        SippRun(
            "registrar",
            directory=tmp_path / "registrar",
            keys={"user": "1001", "password": "right"},
        ) as registrar,
        Baresip(
            tmp_path / "a", user="1001", password="right", registrar=registrar.address
        ) as phone,
        Baresip(
            tmp_path / "b", user="1001", password="wrong", registrar=registrar.address
        ) as other,
    ):
        await phone.register()
        with pytest.raises(BaresipError, match=r"(?s)1001 could not register:.*403 Forbidden"):
            await other.register()


async def test_a_wait_that_times_out_says_what_came_instead(tmp_path: Path) -> None:
    async with (
        Baresip(tmp_path / "a", user="1001") as caller,
        Baresip(tmp_path / "b", user="1002") as callee,
    ):
        await caller.dial(callee.uri)
        with pytest.raises(TimeoutError, match=r"no CALL_ESTABLISHED, only .*CALL_RINGING"):
            await caller.wait_event("CALL_ESTABLISHED", seconds=0.5)


async def test_sipp_calls_baresip_and_is_heard(tmp_path: Path) -> None:
    speech = write_tone(tmp_path / "speech.wav", 700, seconds=5)
    async with (
        Baresip(tmp_path / "phone", user="1001", auto_answer=True) as phone,
        SippRun(
            "citizen",
            directory=tmp_path / "citizen",
            remote=phone.address,
            service="1001",
            calls=1,
            rows=[("13862311001", 2000)],
            speech=speech,
        ) as citizen,
    ):
        established = await phone.wait_event("CALL_ESTABLISHED")
        assert established["peeruri"].startswith("sip:13862311001@")
        await phone.wait_event("CALL_CLOSED")
        statistics = await citizen.wait(10)
        assert (statistics.successful, statistics.failed) == (1, 0), citizen.errors()
        assert_heard(phone.heard(), 700)


async def test_baresip_calls_sipp_which_hangs_up(tmp_path: Path) -> None:
    async with (
        SippRun("agent", directory=tmp_path / "agent", rows=[(100, 300)]) as agent,
        Baresip(tmp_path / "phone", user="1001") as phone,
    ):
        await phone.dial(f"sip:1002@127.0.0.1:{agent.address[1]}")
        await phone.wait_event("CALL_RINGING")
        await phone.wait_event("CALL_ESTABLISHED")
        await phone.wait_event("CALL_CLOSED")
        statistics = await agent.finish()
        assert (statistics.successful, statistics.failed) == (1, 0), agent.errors()


async def test_sipp_calls_sipp_with_lost_packets(tmp_path: Path) -> None:
    async with (
        # The first agent hangs up, the second leaves it to the citizen, and so on.
        SippRun("agent", directory=tmp_path / "agent", rows=[(50, 200), (50, 60_000)]) as agent,
        SippRun(
            "citizen",
            directory=tmp_path / "citizen",
            remote=agent.address,
            calls=20,
            rate=20,
            lost=5,
            rows=[("13862311001", 60_000), ("13862311002", 300)],
        ) as citizen,
    ):
        await until(lambda: citizen.statistics.created == 20, seconds=10)
        # Which agent meets which citizen changes when an INVITE is lost: some wait for each other.
        await until(lambda: citizen.messages().count("\nBYE ") >= 10, seconds=10)
        assert citizen.statistics.failed == 0, citizen.errors()
        assert citizen.statistics.retransmissions > 0


async def test_sipp_citizen_gives_up_while_it_rings(tmp_path: Path) -> None:
    async with (
        SippRun("agent", directory=tmp_path / "agent", rows=[(60_000, 0)]) as agent,
        SippRun(
            "citizen_abandons",
            directory=tmp_path / "citizen",
            remote=agent.address,
            calls=2,
            rate=5,
            rows=[("13862311001", 200)],
        ) as citizen,
    ):
        statistics = await citizen.wait(10)
        assert (statistics.successful, statistics.failed) == (2, 0), citizen.errors()
        statistics = await agent.finish()
        assert (statistics.successful, statistics.failed) == (2, 0), agent.errors()
        assert citizen.messages().count("SIP/2.0 487 ") == 2


async def test_sipp_citizen_gives_up_too_late(tmp_path: Path) -> None:
    async with (
        SippRun("agent", directory=tmp_path / "agent", rows=[(100, 60_000)]) as agent,
        SippRun(
            "citizen_abandons",
            directory=tmp_path / "citizen",
            remote=agent.address,
            calls=1,
            rows=[("13862311001", 60_000)],
        ) as citizen,
    ):
        statistics = await citizen.wait(10)
        assert (statistics.successful, statistics.failed) == (1, 0), citizen.errors()
        assert "BYE sip:" in citizen.messages()


@pytest.mark.parametrize("status", ["486 Busy Here", "603 Decline"])
async def test_sipp_agent_refuses(tmp_path: Path, status: str) -> None:
    async with (
        SippRun("agent_refuses", directory=tmp_path / "agent", keys={"status": status}) as agent,
        Baresip(tmp_path / "phone", user="1001") as phone,
    ):
        await phone.dial(f"sip:1002@127.0.0.1:{agent.address[1]}")
        closed = await phone.wait_event("CALL_CLOSED")
        assert closed["param"] == status
        statistics = await agent.finish()
        assert (statistics.successful, statistics.failed) == (1, 0), agent.errors()


async def test_sipp_agent_is_away_until_cancelled(tmp_path: Path) -> None:
    async with (
        SippRun("agent_absent", directory=tmp_path / "agent") as agent,
        Baresip(tmp_path / "phone", user="1001") as phone,
    ):
        await phone.dial(f"sip:1002@127.0.0.1:{agent.address[1]}")
        await phone.wait_event("CALL_RINGING")
        await phone.hang_up()
        await until(lambda: agent.statistics.successful == 1)


async def test_sipp_registers_phones(tmp_path: Path) -> None:
    address: Address = ("127.0.0.1", free_udp_port())
    async with SippRun(
        "registrar", directory=tmp_path / "registrar", keys={"user": "1001", "password": "right"}
    ) as registrar:
        await register(tmp_path, registrar=registrar.address, phones={"1001": ("right", address)})
        assert f"Contact: <sip:1001@127.0.0.1:{address[1]}>" in registrar.messages()
        with pytest.raises(AssertionError, match="403 Forbidden"):
            await register(
                tmp_path / "again", registrar=registrar.address, phones={"1001": ("no", address)}
            )


async def test_sipp_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="No injection file was specified"):
        async with SippRun("agent", directory=tmp_path, rows=()):
            pass


async def test_sipp_sends_back_what_it_hears(tmp_path: Path) -> None:
    async with (
        SippRun("agent", directory=tmp_path / "agent", rows=[(0, 60_000)], echo=True) as agent,
        Baresip(tmp_path / "phone", user="1001", source=500) as phone,
    ):
        await phone.dial(f"sip:1002@127.0.0.1:{agent.address[1]}")
        await phone.wait_event("CALL_ESTABLISHED")
        await phone.wait_heard(1.2)
        await phone.hang_up()
        await phone.wait_event("CALL_CLOSED")
        assert_heard(phone.heard(), 500)


@asynccontextmanager
async def pyvoip_registered_at(
    tmp_path: Path, port: int, *, password: str, source: int = 440
) -> AsyncIterator[PyVoipPhone]:
    """A phone, and then nothing at its registrar's port.

    pyVoIP sends every answer to its registrar, so who calls it directly must sit there. It can't be
    baresip, whose empty "Supported" header pyVoIP doesn't understand.
    """
    async with (
        SippRun(
            "registrar",
            directory=tmp_path / "registrar",
            calls=1,
            keys={"user": "1003", "password": "right"},
            local_port=port,
        ) as registrar,
        PyVoipPhone(
            tmp_path / "phone",
            user="1003",
            password=password,
            registrar=registrar.address,
            source=source,
        ) as phone,
    ):
        await phone.register()
        await registrar.wait(5)
        yield phone


async def test_pyvoip_answers_speaks_hears_and_hangs_up(tmp_path: Path) -> None:
    port = free_udp_port()
    async with (
        pyvoip_registered_at(tmp_path, port, password="right", source=800) as phone,
        SippRun(
            "citizen",
            directory=tmp_path / "caller",
            remote=phone.address,
            local_port=port,
            service="1003",
            calls=1,
            rows=[("13862311001", 60_000)],
            echo=True,
        ) as caller,
    ):
        assert (await phone.wait_event("incoming"))["caller"] == "13862311001"
        await phone.answer()
        await phone.wait_event("answered")
        await until(lambda: phone.heard.exists() and phone.heard.stat().st_size > 1.5 * RATE)
        await phone.hang_up()
        await phone.wait_event("ended")
        assert (await caller.wait(5)).successful == 1, caller.errors()
        assert_heard(phone.heard, 800, 440)


async def test_pyvoip_sees_the_caller_hang_up_and_refuses_the_next_call(tmp_path: Path) -> None:
    port = free_udp_port()
    async with (
        pyvoip_registered_at(tmp_path, port, password="right") as phone,
        SippRun(
            "citizen",
            directory=tmp_path / "caller",
            remote=phone.address,
            local_port=port,
            calls=2,
            limit=1,
            rate=10,
            # pyVoIP forgets a call that ends before it has seen the ACK.
            rows=[("13862311001", 2000)],
        ) as caller,
    ):
        await phone.wait_event("incoming")
        await phone.answer()
        await phone.wait_event("ended")
        await phone.wait_event("incoming")
        await phone.refuse()
        await phone.wait_event("ended")
        statistics = await caller.wait(5)
        assert (statistics.successful, statistics.failed) == (1, 1)
        assert "SIP/2.0 486 Busy Here" in caller.messages()


async def test_pyvoip_with_a_wrong_password_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(PyVoipError, match="1003: REGISTERING"):
        async with pyvoip_registered_at(tmp_path, free_udp_port(), password="wrong"):
            pass
