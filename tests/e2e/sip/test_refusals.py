"""What is no citizen's call for one of our lines is refused by the status SIP has for it."""

import re

import pytest

from tests.e2e.sip.conftest import Duty
from tests.e2e.sip.raw import (
    Address,
    Caller,
    RawSip,
    challenges,
    description,
    header,
    proof,
)
from tests.support.node import PASSWORD

pytestmark = pytest.mark.e2e

QUIET = description(40000)


@pytest.mark.parametrize(
    "change, status",
    [
        pytest.param((rb"\r\nFrom: .*", b""), 400, id="no-from"),
        pytest.param((rb"\r\nCall-ID: .*", b""), 400, id="no-call-id"),
        pytest.param((rb"\r\nTo: .*", b"\r\nTo: <sip:123"), 400, id="open-bracket"),
        pytest.param((rb"\r\nContact: .*", b"\r\nContact: <sip:"), 400, id="contact"),
        pytest.param((rb"CSeq: .*", b"CSeq: 1 BYE"), 400, id="cseq-of-another-method"),
        pytest.param((rb"CSeq: .*", b"CSeq: 99999999999 INVITE"), 400, id="cseq-too-high"),
        pytest.param((rb"Content-Length: .*", b"Content-Length: 9999"), 400, id="cut-off"),
        pytest.param((rb" SIP/2.0\r\nVia", b" SIP/3.0\r\nVia"), 505, id="version"),
        pytest.param((rb"application/sdp", b"text/plain"), 415, id="not-a-description"),
        pytest.param((rb"\r\nTo:", b"\r\nRequire: gruu\r\nTo:"), 420, id="extension"),
        pytest.param((rb"INVITE sip:", b"INVITE mailto:"), 416, id="scheme"),
        pytest.param((rb"m=audio", b"m=video"), 488, id="no-audio"),
        pytest.param((rb"c=IN IP4 127.0.0.1", b"c=IN IP4 somewhere"), 488, id="no-address"),
        pytest.param((rb"v=0", b"v=1"), 488, id="no-sdp"),
    ],
)
async def test_a_broken_invite_is_refused(
    sip: Address, trunk: RawSip, change: tuple[bytes, bytes], status: int
) -> None:
    caller = Caller(trunk, sip)
    good = caller.write("INVITE", sdp=QUIET, branch=caller.branch)
    broken = re.sub(change[0].replace(b".*", b"[^\r\n]*"), change[1], good, count=1)
    assert broken != good
    caller.send(broken)
    refusal = await trunk.response(r"\d+ .*")
    assert refusal.status_code == status
    if status == 420:
        assert header(refusal, "Unsupported") == "gruu"


@pytest.mark.parametrize("line, formats, status", [("99999", "8", 404), ("12345", "18", 488)])
async def test_an_unknown_line_and_an_unknown_codec_are_refused_and_acknowledged(
    sip: Address, trunk: RawSip, line: str, formats: str, status: int
) -> None:
    caller = Caller(trunk, sip, line=line)
    invite = caller.invite(description(40000, formats=formats))
    refusal = await trunk.response(f"{status} INVITE")
    caller.send(invite)  # §17.2.1: "completed": the final response again
    await trunk.repeated(f"{status} INVITE")
    caller.ack_refusal(refusal)
    await trunk.hears_nothing(1.2)
    assert trunk.story == [f"{status} INVITE"]


async def test_options_is_answered_and_what_is_in_no_dialog_is_not_there(
    sip: Address, trunk: RawSip
) -> None:
    caller = Caller(trunk, sip)
    caller.ask("OPTIONS")
    capabilities = await trunk.response("200 OPTIONS")
    assert "INVITE" in header(capabilities, "Allow")
    assert capabilities.headers.get("Accept") == ["application/sdp", "multipart/mixed"]
    caller.ask("MESSAGE")
    assert "INVITE" in header(await trunk.response("405 MESSAGE"), "Allow")
    caller.cancel()
    await trunk.response("481 CANCEL")
    caller.remote += ";tag=of-nobody"
    for method in ("BYE", "INVITE", "INFO"):
        caller.ask(method)
        await trunk.response(f"481 {method}")
    caller.ack()
    await trunk.hears_nothing(0.3)


async def test_a_phones_own_call_is_challenged_and_to_a_number_of_nobodys_refused(
    sip: Address, duty: Duty, trunk: RawSip
) -> None:
    del trunk
    async with duty("1001", ready=False) as agent:
        caller = Caller(agent.phone, sip, number="1001", line="13800001111")
        caller.invite(QUIET)
        refusal = await caller.refused(407)
        challenge = challenges(refusal, "Proxy-Authenticate")["SHA-256"]
        for password, status in (("wrong", 407), (PASSWORD, 403)):
            caller.branch = f"z9hG4bK{password}{status}"
            credentials = proof(
                challenge, method="INVITE", uri=caller.target, user="1001", password=password
            )
            caller.invite(QUIET, headers=(("Proxy-Authorization", credentials),))
            await caller.refused(status)


async def test_a_stranger_has_no_call(sip: Address) -> None:
    async with RawSip("127.0.0.2") as stranger:
        caller = Caller(stranger, sip)
        caller.invite(QUIET)
        await caller.refused(403)
        assert stranger.story == ["403 INVITE"]
