"""What a gateway's open port says to whom it does not know: little, seldom, and without memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiosipua import SipRequest, SipResponse

from telephony.abuse.bans import BanPolicy
from telephony.abuse.gatekeeper import AMPLIFICATION, AbusePolicy
from telephony.gateway import SipGateway
from telephony.sip.hop import Hop
from telephony.sip.message import make_response
from telephony.trunks.model import Trunk
from tests.support.programs import Program
from tests.support.waiting import until
from tests.telephony.gateways import (
    OFFER,
    Desk,
    a_gateway,
    credentials,
    message,
    register,
    registration,
)
from tests.telephony.peers import Peer, a_peer

ELSEWHERE = (Trunk.allowing("10.9.9.0/24"),)
POLICY = AbusePolicy(answers=1000.0, bans=BanPolicy(failures=3))


@pytest.fixture
async def node() -> AsyncIterator[SipGateway]:
    async with a_gateway(Desk(), trunks=ELSEWHERE, abuse=POLICY) as gateway:
        yield gateway


@pytest.fixture
def stranger() -> Iterator[Peer]:
    with a_peer() as peer:
        yield peer


async def asked(stranger: Peer, node: SipGateway, request: SipRequest) -> SipResponse:
    stranger.send(request, node.endpoint.local)
    return await stranger.response()


async def silence(stranger: Peer, node: SipGateway) -> None:
    """Wait until the node has read everything so far, and has said nothing."""
    before = node.endpoint.counters["received"]
    with a_peer() as other:
        other.send(b"\r\n\r\n", node.endpoint.local)
        await until(lambda: node.endpoint.counters["received"] > before)
    assert not stranger.pending()


async def test_ten_thousand_questions_leave_nothing_behind(
    node: SipGateway, stranger: Peer
) -> None:
    for number in range(10_000):
        options = message(stranger, node, "OPTIONS", branch=str(number))
        node.endpoint.message_received(bytes(options), Hop(*stranger.address))
    assert node.endpoint.transactions == 0
    assert node.counts()["legs"] == 0


async def test_a_strangers_messages_push_no_calls_out_of_the_ring(
    node: SipGateway, stranger: Peer
) -> None:
    for method in ("INVITE", "OPTIONS", "ACK"):
        asked = message(stranger, node, method, call_id=method, body=OFFER)
        stranger.send(asked, node.endpoint.local)
    unasked = make_response(message(stranger, node, "BYE"), 200)
    stranger.send(unasked, node.endpoint.local)
    assert {(await stranger.response()).status_code for _ in range(2)} == {200, 403}
    await until(lambda: node.endpoint.counters["stray_responses"] == 1)
    seen = {(key.direction, key.method, key.status): n for key, n in node.wire.tally.items()}
    assert seen["in", "INVITE", ""] == seen["out", "INVITE", "403"] == seen["in", "ACK", ""] == 1
    assert seen["in", "BYE", "2xx"] == 1
    assert node.wire.octets == 0


async def test_every_copy_of_a_request_is_answered_alike(node: SipGateway, stranger: Peer) -> None:
    for method in ("OPTIONS", "INVITE", "BYE", "MESSAGE"):
        request = message(stranger, node, method, body=OFFER if method == "INVITE" else None)
        first, second = [await asked(stranger, node, request) for _ in range(2)]
        assert first.status_code == second.status_code >= 200
        assert first.headers.get("To") == second.headers.get("To")
        assert node.endpoint.transactions == 0


async def test_no_provisional_answer_no_repetition_and_nothing_for_a_cancel(
    node: SipGateway, stranger: Peer
) -> None:
    invite = message(stranger, node, "INVITE", body=OFFER)
    assert (await asked(stranger, node, invite)).status_code == 403
    stranger.send(message(stranger, node, "CANCEL"), node.endpoint.local)
    stranger.send(message(stranger, node, "ACK"), node.endpoint.local)
    await silence(stranger, node)
    await asyncio.sleep(0.6)  # T1 has passed: an unacknowledged 403 would come again
    assert not stranger.pending()


async def test_an_answer_is_never_much_longer_than_the_question(
    node: SipGateway, stranger: Peer
) -> None:
    tiny = (
        "REGISTER sip:h SIP/2.0\r\n"
        f"v:SIP/2.0/UDP 127.0.0.1:{stranger.address[1]};branch=z9hG4bK1\r\n"
        "f:<sip:1@h>;tag=1\r\nt:<sip:1@h>\r\ni:1\r\nCSeq:1 REGISTER\r\n\r\n"
    ).encode()
    stranger.send(tiny, node.endpoint.local)
    await silence(stranger, node)
    assert node.endpoint.counters["unanswered"] == 1
    whole = registration(stranger, node, "1001")
    answer = await asked(stranger, node, whole)
    assert answer.status_code == 401
    assert len(bytes(answer)) <= AMPLIFICATION * len(bytes(whole))


async def test_answers_are_rationed() -> None:
    policy = AbusePolicy(answers=1.0)
    async with a_gateway(Desk(), trunks=ELSEWHERE, abuse=policy) as node:
        with a_peer() as stranger:
            for number in range(20):
                options = message(stranger, node, "OPTIONS", branch=str(number))
                stranger.send(options, node.endpoint.local)
            answers = [await stranger.response() for _ in range(4)]
            assert {answer.status_code for answer in answers} == {200}
            await silence(stranger, node)


async def test_a_phone_that_answers_the_challenge_gets_a_transaction_and_is_known(
    node: SipGateway, stranger: Peer
) -> None:
    assert await register(stranger, node, "1001") == 200
    assert node.endpoint.transactions == 1
    await asked(stranger, node, message(stranger, node, "OPTIONS"))
    assert node.endpoint.transactions == 2


async def _guess(stranger: Peer, node: SipGateway, user: str) -> None:
    """Try a wrong password."""
    first = registration(stranger, node, user)
    challenge = (await asked(stranger, node, first)).headers.get("WWW-Authenticate")[0]
    proof = credentials(challenge, first, user, "wrong")
    again = registration(stranger, node, user, cseq=2, headers=(("Authorization", proof),))
    refusal = await asked(stranger, node, again)
    assert refusal.status_code == 401
    # The same nonce again: a phone that is not told so keeps trying its wrong password.
    assert refusal.headers.get("WWW-Authenticate")[0] == challenge


async def test_guessing_passwords_ends_in_silence(node: SipGateway, stranger: Peer) -> None:
    for user in ("1001", "1002", "nobody"):
        await _guess(stranger, node, user)
    stranger.send(registration(stranger, node, "1001"), node.endpoint.local)
    await silence(stranger, node)
    assert node.strangers()["banned_sources"] == 1
    assert node.strangers()["banned"] >= 1


async def test_where_somebody_is_registered_nobody_is_banned(
    node: SipGateway, stranger: Peer
) -> None:
    assert await register(stranger, node, "1001") == 200
    for _ in range(10):
        await _guess(stranger, node, "1002")
    assert node.strangers()["banned_sources"] == 0


async def test_wrong_passwords_without_a_nonce_of_ours_prove_nothing_about_their_source(
    node: SipGateway, stranger: Peer
) -> None:
    challenge = 'Digest realm="hotline", nonce="0123", algorithm=MD5, qop="auth"'
    request = registration(stranger, node, "1001")
    proof = credentials(challenge, request, "1001", "wrong")
    for _ in range(10):
        forged = registration(stranger, node, "1001", headers=(("Authorization", proof),))
        assert (await asked(stranger, node, forged)).status_code == 401
    assert node.endpoint.transactions == 0
    assert node.strangers()["banned_sources"] == 0


async def test_scanners_hear_nothing(node: SipGateway, stranger: Peer) -> None:
    headers = (("User-Agent", "friendly-scanner"),)
    scan = message(stranger, node, "OPTIONS", headers=headers)
    stranger.send(scan, node.endpoint.local)
    stranger.send(message(stranger, node, "OPTIONS"), node.endpoint.local)
    await silence(stranger, node)
    assert node.strangers()["scanners"] == 1
    assert node.strangers()["suspected_sources"] == 1
    assert node.strangers()["banned"] >= 1


async def test_our_own_request_that_comes_back_is_a_loop() -> None:
    async with a_gateway(Desk()) as node:
        with a_peer() as peer:
            host, port = node.endpoint.local
            looped = message(peer, node, "INVITE", body=OFFER)
            looped.headers.append("Via", f"SIP/2.0/UDP {host}:{port};branch=z9hG4bKours")
            peer.send(looped, node.endpoint.local)
            answer = await peer.final()
            assert answer.status_code == 482


@pytest.mark.e2e
async def test_svcrack_does_not_get_to_the_password(tmp_path: Path) -> None:
    guesses = [f"guess{number}" for number in range(20)]
    passwords = tmp_path / "passwords"
    passwords.write_text("\n".join([*guesses, "pw1001", ""]), encoding="utf-8")
    unsigned = AbusePolicy(scanners=(), bans=BanPolicy(failures=5))
    async with a_gateway(Desk(), trunks=ELSEWHERE, abuse=unsigned) as node:
        host, port = node.endpoint.local
        cracker = Program(
            "svcrack",
            ("svcrack", f"-p{port}", "-u1001", f"-d{passwords}", "--maximumtime=2", host),
            directory=tmp_path,
            env={"HOME": str(tmp_path)},
        )
        await cracker.start()
        try:
            await cracker.wait(30)
        finally:
            await cracker.stop()
        assert "pw1001" not in cracker.said()
        assert node.strangers()["banned_sources"] == 1
        assert node.strangers()["banned"] > 0
