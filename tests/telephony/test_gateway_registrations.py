"""Who may register, and what is told of it."""

import time

import pytest

from telephony.bindings import Binding, MemoryBindings
from telephony.gateway import SipGateway
from telephony.sip.registrar import Limits
from tests.support.waiting import until
from tests.telephony.gateways import (
    Desk,
    a_gateway,
    credentials,
    register,
    registration,
)
from tests.telephony.peers import a_peer


class Phones:
    """Writes down what is told of registrations."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def __call__(self, aor: str, count: int) -> None:
        self.told.append((aor, count))


async def test_a_phone_registers_with_either_algorithm(desk: Desk) -> None:
    phones, bindings = Phones(), MemoryBindings()
    async with a_gateway(desk, bindings=bindings, on_registered=phones) as node:
        for cseq, index in ((1, 0), (3, 1)):
            with a_peer() as peer:
                first = registration(peer, node, "1001", cseq=cseq)
                peer.send(first, node.endpoint.local)
                challenged = await peer.response()
                assert challenged.status_code == 401
                challenge = challenged.headers.get("WWW-Authenticate")[index]
                proof = credentials(challenge, first, "1001", "pw1001")
                again = registration(
                    peer, node, "1001", cseq=cseq + 1, headers=(("Authorization", proof),)
                )
                peer.send(again, node.endpoint.local)
                assert (await peer.response()).status_code == 200
                [newest, *_] = sorted(
                    await bindings.lookup("1001"), key=lambda binding: -binding.cseq
                )
                assert newest.received == peer.address
    assert phones.told == [("1001", 1), ("1001", 2)]


@pytest.mark.parametrize(
    "user, name, password, status",
    [
        ("1001", "1001", "wrong", 401),
        ("4711", "4711", "pw4711", 401),
        ("1001", "1002", "pw1002", 403),
    ],
)
async def test_who_may_not_register(
    desk: Desk, user: str, name: str, password: str, status: int
) -> None:
    phones = Phones()
    async with a_gateway(desk, on_registered=phones) as node:
        with a_peer() as peer:
            first = registration(peer, node, user)
            peer.send(first, node.endpoint.local)
            challenge = (await peer.response()).headers.get("WWW-Authenticate")[0]
            proof = credentials(challenge, first, name, password)
            again = registration(peer, node, user, cseq=2, headers=(("Authorization", proof),))
            peer.send(again, node.endpoint.local)
            answer = await peer.response()
            assert answer.status_code == status
            assert "stale" not in str(answer.headers.get("WWW-Authenticate"))
    assert phones.told == []


async def test_a_used_nonce_is_stale_and_garbage_is_challenged_anew(gateway: SipGateway) -> None:
    with a_peer() as peer:
        first = registration(peer, gateway, "1001")
        peer.send(first, gateway.endpoint.local)
        challenge = (await peer.response()).headers.get("WWW-Authenticate")[0]
        proof = credentials(challenge, first, "1001", "pw1001")
        answers = []
        other = ("Authorization", proof.replace("hotline", "elsewhere"))
        for cseq, value in ((2, proof), (3, proof), (4, "Digest nonsense")):
            headers = (other, ("Authorization", value))
            peer.send(
                registration(peer, gateway, "1001", cseq=cseq, headers=headers),
                gateway.endpoint.local,
            )
            answer = await peer.response()
            stale = "stale=true" in str(answer.headers.get("WWW-Authenticate"))
            answers.append((answer.status_code, stale))
        assert answers == [(200, False), (401, True), (401, False)]


async def test_too_short_and_gone(desk: Desk) -> None:
    phones = Phones()
    async with a_gateway(desk, on_registered=phones) as node:
        with a_peer() as peer:
            assert await register(peer, node, "1001", Expires="5") == 423
            assert await register(peer, node, "1002", Expires="60") == 200
        with a_peer() as peer:
            assert await register(peer, node, "1003", Expires="0") == 200
    assert phones.told == [("1002", 1), ("1003", 0)]


async def test_an_expiry_is_told(desk: Desk) -> None:
    phones = Phones()
    async with a_gateway(desk, on_registered=phones, limits=Limits(shortest=1)) as node:
        with a_peer() as peer:
            assert await register(peer, node, "1001", Expires="1") == 200
        await until(lambda: phones.told == [("1001", 1), ("1001", 0)])


async def test_a_restarted_node_tells_what_is_registered(desk: Desk) -> None:
    phones, bindings = Phones(), MemoryBindings()
    binding = Binding("1001", "sip:1001@x", ("127.0.0.1", 9), "c", 1, time.time() + 60)
    await bindings.save("1001", binding)
    async with a_gateway(desk, bindings=bindings, on_registered=phones):
        assert phones.told == [("1001", 1)]
