"""Who may call, who may register, and what is left when everybody has gone."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosipua import SipRequest
from aiosipua.headers import parse_auth

from telephony.abuse.gatekeeper import AbusePolicy
from telephony.bindings import Binding, MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegAnswered, LegConfirmed, LegEnded, LegRinging
from telephony.sip.message import make_response
from telephony.sip.registrar import Limits
from telephony.trunks.model import Trunk
from tests.support.waiting import until
from tests.telephony.gateways import (
    OFFER,
    QUICK,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    credentials,
    message,
    register,
    registration,
)
from tests.telephony.peers import Peer, a_peer

NOTHING = {"legs": 0, "dialogs": 0, "transactions": 0}
STRANGERS = (Trunk.allowing("10.9.9.0/24"),)  # trunks, none of which is loopback


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def gateway(desk: Desk) -> AsyncIterator[SipGateway]:
    async with a_gateway(desk) as opened:
        yield opened


async def status_of(peer: Peer, gateway: SipGateway, method: str, **parts: object) -> int:
    peer.send(message(peer, gateway, method, **parts), gateway.endpoint.local)  # type: ignore[arg-type]
    response = await peer.response()
    while response.status_code == 100:
        response = await peer.response()
    return response.status_code


# Whole calls between two gateways


async def test_a_citizens_call(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk, timers=QUICK) as node, a_gateway(Desk(), timers=QUICK) as trunk:
        uri = "sip:12345@hotline.example"
        out = trunk.call(uri, node.endpoint.local, sdp=OFFER, caller="13862311001", on_event=owner)
        leg, called = await desk.call()
        assert (leg.direction, leg.caller, leg.called) == ("inbound", "13862311001", "12345")
        assert leg.source == trunk.endpoint.local
        assert leg.sip_call_id == out.sip_call_id
        assert leg.remote_sdp == OFFER
        leg.ring()
        assert (await owner.told(LegRinging)).status == 180
        leg.answer(answer_to(leg))
        assert await owner.told(LegAnswered) == LegAnswered(answer_to(leg))
        await called.told(LegConfirmed)
        assert node.counts()["legs"] == node.counts()["dialogs"] == 1
        out.hang_up("done")
        assert await called.ended() == LegEnded("remote")
        assert await owner.ended() == LegEnded("local", None, "done")
        await until(lambda: node.counts() == NOTHING)
        await until(lambda: trunk.counts() == NOTHING)


async def test_the_caller_gives_up_while_it_rings(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk, timers=QUICK) as node, a_gateway(Desk(), timers=QUICK) as trunk:
        out = trunk.call("sip:12345@x", node.endpoint.local, sdp=OFFER, caller=None, on_event=owner)
        leg, called = await desk.call()
        assert leg.caller is None
        leg.ring()
        await owner.told(LegRinging)
        out.hang_up()
        assert await called.ended() == LegEnded("remote", 487, "cancelled")
        assert await owner.ended() == LegEnded("local", 487, None)
        await until(lambda: node.counts() == trunk.counts() == NOTHING)


async def test_a_registered_phone_is_called_where_it_registered_from(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as phone:
            binding = Binding(
                "1001", "sip:1001@192.168.1.7:5060;ob", phone.address, "c", 1, time.time() + 60
            )
            leg = node.invite(
                binding,
                sdp=OFFER,
                caller="13862311001",
                display='12345 "热线"',
                called="1001",
                on_event=owner,
                headers={"X-Call": "7"},
            )
            invite = await phone.request()
            assert invite.uri == "sip:1001@192.168.1.7:5060;ob"
            sender = invite.headers.get("From")[0]
            assert sender.startswith(r'"12345 \"热线\"" <sip:13862311001@127.0.0.1:')
            assert invite.headers.get("X-Call") == ["7"]
            assert invite.text == OFFER
            assert (leg.caller, leg.called) == ("13862311001", "1001")
            phone.send(make_response(invite, 486, to_tag="p"), node.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 486, "Busy Here")


async def test_a_header_that_would_smuggle_in_another_is_our_mistake(gateway: SipGateway) -> None:
    binding = Binding("1001", "sip:1001@x", ("127.0.0.1", 9), "c", 1, time.time() + 60)
    with pytest.raises(ValueError, match="line breaks"):
        gateway.invite(
            binding,
            sdp=OFFER,
            caller=None,
            display=None,
            called="1001",
            on_event=Owner(),
            headers={"X-Call": "7\r\nRoute: <sip:evil>"},
        )
    assert gateway.counts() == NOTHING


async def test_a_partner_may_ask_for_credentials(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as partner:
            node.call(
                f"sip:110@127.0.0.1:{partner.address[1]}",
                partner.address,
                sdp=OFFER,
                caller="12345",
                on_event=owner,
                credentials=("hotline", "secret"),
            )
            first = await partner.request()
            challenge = ("WWW-Authenticate", 'Digest realm="110", nonce="n", qop="auth"')
            partner.send(
                make_response(first, 401, to_tag="p", headers=[challenge]), node.endpoint.local
            )
            while (again := await partner.request()).method != "INVITE":
                pass
            given = parse_auth(again.headers.get("Authorization")[0], credentials=True).params
            assert (given["username"], given["realm"]) == ("hotline", "110")
            assert again.headers.get("CSeq") == ["2 INVITE"]
            assert again.headers.get("Call-ID") == first.headers.get("Call-ID")
            partner.send(make_response(again, 603, to_tag="p"), node.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 603, "Decline")


# Who calls


@pytest.mark.parametrize(
    "headers, user, caller",
    [
        ((), "13862311001", "13862311001"),
        ((("P-Asserted-Identity", "<sip:+8613862311001@ims>"),), "x", "+8613862311001"),
        ((("P-Asserted-Identity", "<sip:@ims>, <tel:+86512>"),), "x", "+86512"),
        ((("P-Asserted-Identity", '"<sip:a@b>" <tel:053312345>'),), "x", "053312345"),
        ((("P-Asserted-Identity", "nonsense"),), "13862311001", "13862311001"),
        ((("P-Asserted-Identity", "<sip:anonymous@ims>"),), "Anonymous", None),
    ],
)
async def test_the_callers_number(
    gateway: SipGateway,
    desk: Desk,
    headers: tuple[tuple[str, str], ...],
    user: str,
    caller: str | None,
) -> None:
    with a_peer() as peer:
        asked = message(peer, gateway, "INVITE", user=user, headers=headers, body=OFFER)
        peer.send(asked, gateway.endpoint.local)
        leg, _ = await desk.call()
        assert leg.caller == caller
        leg.refuse(486)


async def test_a_stranger_is_refused(desk: Desk) -> None:
    async with a_gateway(desk, trunks=STRANGERS) as node:
        with a_peer() as peer:
            assert await status_of(peer, node, "INVITE", body=OFFER) == 403
        assert desk.calls.empty()
        assert node.counts()["legs"] == 0


async def own_call(phone: Peer, node: SipGateway, call_id: str = "own", **parts: Any) -> SipRequest:
    """Return the INVITE of a registered phone's own call, with the proof that it asks for."""
    first = message(phone, node, "INVITE", user="1001", body=OFFER, call_id=call_id)
    phone.send(first, node.endpoint.local)
    while (challenged := await phone.response()).headers.get_first(
        "Call-ID"
    ) != call_id or challenged.status_code == 100:
        pass
    assert challenged.status_code == 407
    challenge = challenged.headers.get("Proxy-Authenticate")[0]
    proof = ("Proxy-Authorization", credentials(challenge, first, "1001", "pw1001"))
    headers = (proof, *parts.pop("headers", ()))
    options: dict[str, Any] = {"user": "1001", "body": OFFER, "call_id": call_id, **parts}
    return message(phone, node, "INVITE", cseq=2, headers=headers, **options)


@pytest.mark.parametrize("trunks", [(Trunk.allowing("127.0.0.0/8"),), STRANGERS])
async def test_an_agents_own_call_needs_credentials(desk: Desk, trunks: tuple[Trunk, ...]) -> None:
    async with a_gateway(desk, trunks=trunks) as node:
        with a_peer() as phone:
            assert await register(phone, node, "1001") == 200
            asserted = (("P-Asserted-Identity", "<sip:110@carrier>"),)
            phone.send(await own_call(phone, node, headers=asserted), node.endpoint.local)
            leg, _ = await desk.call()
            assert (leg.account, leg.caller, leg.called) == ("1001", "1001", "12345")
            assert leg.identity.number is None
            leg.refuse(403)


async def test_one_address_has_so_many_calls_at_once(desk: Desk) -> None:
    async with a_gateway(desk, trunks=STRANGERS, abuse=AbusePolicy(calls=1)) as node:
        with a_peer() as phone:
            assert await register(phone, node, "1001") == 200
            for number in range(2):
                phone.send(
                    await own_call(phone, node, call_id=f"own-{number}"), node.endpoint.local
                )
                if number == 0:
                    leg, _ = await desk.call()
            async with asyncio.timeout(5):
                while (refusal := await phone.response()).status_code < 400:
                    pass
            assert refusal.status_code == 503
            assert refusal.headers.get("Retry-After") == ["5"]
            leg.refuse(486)
        assert desk.calls.empty()


async def test_an_agent_cannot_call_in_anothers_name(desk: Desk) -> None:
    async with a_gateway(desk) as node:
        with a_peer() as phone:
            assert await register(phone, node, "1001") == 200
            assert await register(phone, node, "1002") == 200
            as_another = await own_call(phone, node)
            as_another.headers.set_single("From", "<sip:1002@127.0.0.1>;tag=peer")
            phone.send(as_another, node.endpoint.local)
            async with asyncio.timeout(5):
                while (await phone.response()).status_code != 403:
                    pass
        assert desk.calls.empty()


async def test_a_phone_takes_the_place_of_a_dialog(desk: Desk) -> None:
    """RFC 3891 §3, each way that it can end."""
    async with a_gateway(desk) as node:
        with a_peer() as phone:
            assert await register(phone, node, "1001") == 200

            async def replace(value: str, call_id: str) -> None:
                invite = await own_call(phone, node, call_id, headers=(("Replaces", value),))
                phone.send(invite, node.endpoint.local)

            async def refused(value: str, call_id: str) -> int:
                await replace(value, call_id)
                while True:
                    answer = await phone.response()
                    told = (answer.headers.get_first("Call-ID"), answer.headers.get_first("CSeq"))
                    if told == (call_id, "2 INVITE") and answer.status_code > 100:
                        return answer.status_code

            assert await refused("nobody;to-tag=1;from-tag=2", "a") == 481
            assert await refused("nobody;to-tag=1", "b") == 400
            phone.send(await own_call(phone, node), node.endpoint.local)
            first, _ = await desk.call()
            (dialog,) = first.dialog_ids
            named = f"{dialog.call_id};to-tag={dialog.local_tag};from-tag={dialog.remote_tag}"
            assert await refused(named, "early") == 481
            first.answer(answer_to(first))
            assert await refused(f"{named};early-only", "c") == 486
            await replace(named, "d")
            second, _ = await desk.call()
            assert second.replaces is first
            second.refuse(403)
            first.abandon()
            assert await refused(named, "e") == 603


async def test_a_citizen_whose_number_is_an_agents_name_is_a_citizen(
    gateway: SipGateway, desk: Desk
) -> None:
    with a_peer() as phone, a_peer() as trunk:
        await register(phone, gateway, "1001")
        invite = message(trunk, gateway, "INVITE", user="1001", body=OFFER)
        trunk.send(invite, gateway.endpoint.local)
        leg, _ = await desk.call()
        assert leg.caller == "1001"
        leg.refuse(486)


async def test_an_invite_that_comes_twice_by_different_ways_is_one_call(
    gateway: SipGateway, desk: Desk
) -> None:
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE", body=OFFER), gateway.endpoint.local)
        leg, _ = await desk.call()
        assert await status_of(peer, gateway, "INVITE", branch="b", body=OFFER) == 482
        assert desk.calls.empty()
        leg.refuse(486)


async def test_an_invite_taken_back_before_anybody_saw_it(desk: Desk) -> None:
    class Slow(MemoryBindings):
        async def lookup(self, aor: str) -> list[Binding]:
            await going_on.wait()
            return await super().lookup(aor)

    going_on = asyncio.Event()
    async with a_gateway(desk, bindings=Slow()) as node:
        with a_peer() as peer:
            peer.send(message(peer, node, "INVITE", body=OFFER), node.endpoint.local)
            await until(lambda: node.counts()["transactions"])
            cancel = message(peer, node, "CANCEL")
            cancel.headers.set_single("Via", message(peer, node, "INVITE").headers.get("Via")[0])
            peer.send(cancel, node.endpoint.local)
            statuses = {(await peer.response()).status_code for _ in range(2)}
            going_on.set()
            assert statuses <= {100, 200, 487}
            while 487 not in statuses:
                statuses.add((await peer.response()).status_code)
            await until(lambda: not node._tasks)
            assert desk.calls.empty()
            assert node.legs == {}


async def test_an_owner_who_fails_costs_his_caller_only() -> None:
    def fail(leg: Leg) -> None:
        raise RuntimeError(leg.id)

    async with a_gateway(fail) as node:
        with a_peer() as peer:
            assert await status_of(peer, node, "INVITE", body=OFFER) == 500
        assert node.legs == {}


async def test_a_store_that_fails_is_answered_with_500(desk: Desk) -> None:
    class Broken(MemoryBindings):
        async def lookup(self, aor: str) -> list[Binding]:
            raise RuntimeError(aor)

    async with a_gateway(desk, bindings=Broken()) as node:
        with a_peer() as peer:
            assert await status_of(peer, node, "INVITE", body=OFFER) == 500


# What is not a call


@pytest.mark.parametrize(
    "method, parts, status",
    [
        ("OPTIONS", {}, 200),
        ("SUBSCRIBE", {}, 489),
        ("SUBSCRIBE", {"headers": (("Event", "refer"),)}, 403),
        ("PUBLISH", {"headers": (("Event", "presence"),)}, 489),
        ("NOTIFY", {"headers": (("Event", "refer"),)}, 481),
        ("MESSAGE", {"headers": (("Content-Type", "text/plain"),), "body": "hello"}, 405),
        ("REFER", {"headers": (("Refer-To", "<sip:110@x>"),)}, 403),
        ("PRACK", {}, 481),
        ("BYE", {"to": "<sip:12345@x>;tag=unknown"}, 481),
        ("BYE", {}, 481),
        ("INVITE", {"to": "<sip:12345@x>;tag=unknown", "body": OFFER}, 481),
        ("INVITE", {"uri": "mailto:a@b", "body": OFFER}, 416),
        ("INVITE", {"headers": (("Require", "100rel, gruu"),), "body": OFFER}, 420),
        ("INVITE", {"headers": (("Content-Type", "text/plain"),), "body": "hello"}, 415),
        ("INVITE", {"headers": (("Content-Encoding", "gzip"),), "body": OFFER}, 415),
        ("INVITE", {"to": "<sip:a@b>;=x"}, 400),
        ("INVITE", {"contact": "<sip:a@b", "body": OFFER}, 400),
        ("REGISTER", {"to": "<sip:b>"}, 404),
    ],
)
async def test_what_cannot_be_done(
    gateway: SipGateway, desk: Desk, method: str, parts: dict[str, object], status: int
) -> None:
    with a_peer() as peer:
        assert await status_of(peer, gateway, method, **parts) == status
        peer.send(message(peer, gateway, "ACK", to="<sip:a@b>;=x"), gateway.endpoint.local)
        assert await status_of(peer, gateway, "OPTIONS", call_id="still-there") == 200
    assert desk.calls.empty()
    assert gateway.endpoint.counters["user_errors"] == 0


async def test_refusals_say_what_would_do(gateway: SipGateway) -> None:
    with a_peer() as peer:
        peer.send(message(peer, gateway, "MESSAGE"), gateway.endpoint.local)
        allowed = (await peer.response()).headers.get("Allow")
        assert {"INVITE", "BYE", "REGISTER", "REFER"} <= set(allowed)
        peer.send(message(peer, gateway, "PUBLISH"), gateway.endpoint.local)
        assert (await peer.response()).headers.get("Allow-Events") == ["refer"]
        required = (("Require", "100rel, gruu, path"),)
        peer.send(message(peer, gateway, "OPTIONS", headers=required), gateway.endpoint.local)
        assert (await peer.response()).headers.get("Unsupported") == ["gruu", "path"]


# Registrations


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


# The end


async def test_closing_hangs_up_everything(desk: Desk) -> None:
    owners = [Owner() for _ in range(3)]
    async with a_gateway(Desk(), timers=QUICK) as trunk:
        async with a_gateway(desk, timers=QUICK) as node:
            for owner in owners:
                trunk.call(
                    "sip:12345@x", node.endpoint.local, sdp=OFFER, caller="1", on_event=owner
                )
            legs = [await desk.call() for _ in owners]
            legs[0][0].ring()
            legs[1][0].answer(answer_to(legs[1][0]))
            await legs[1][1].told(LegConfirmed)
        for owner in owners:
            await owner.ended()
        for _, called in legs:
            assert [type(event) for event in called.events].count(LegEnded) == 1
        assert node.counts() == NOTHING
        await until(lambda: trunk.counts() == NOTHING)


async def test_nobody_is_let_in_while_the_node_closes(desk: Desk) -> None:
    async with a_gateway(desk) as node:
        with a_peer() as peer, a_peer() as late:
            owner = Owner()
            node.call("sip:1001@x", peer.address, sdp=OFFER, caller=None, on_event=owner)
            await peer.request()
            closing = asyncio.create_task(node.close())
            await asyncio.sleep(0)
            assert await status_of(late, node, "INVITE", body=OFFER) == 503
            await closing
    assert desk.calls.empty()


async def test_closing_does_not_wait_for_a_dead_peer(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as peer:
            node.call("sip:1001@x", peer.address, sdp=OFFER, caller=None, on_event=owner)
            await peer.request()
        began = time.monotonic()
    assert time.monotonic() - began < 4
    assert await owner.ended() == LegEnded("local", None, "closed")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_many_calls_over_a_bad_link_all_end_once(seed: int) -> None:
    """A tenth of all datagrams is lost; both sides hang up whenever they like."""
    chance = random.Random(seed)
    owners: list[Owner] = []

    def wishes(leg: Leg, deeds: list[str]) -> None:
        loop = asyncio.get_running_loop()
        for deed in deeds:
            delay = chance.uniform(0, 0.4)
            if deed == "answer":
                loop.call_later(delay, lambda: leg.answer(answer_to(leg)))
            else:
                loop.call_later(delay, getattr(leg, deed))
        loop.call_later(0.6, leg.hang_up)

    def take(leg: Leg) -> None:
        owner = Owner()
        leg.on_event = owner
        owners.append(owner)
        wishes(leg, chance.sample(["ring", "answer", "hang_up"], chance.randint(0, 3)))

    def lose() -> bool:
        return chance.random() < 0.1

    async with (
        a_gateway(take, timers=QUICK, drop=lose) as node,
        a_gateway(take, timers=QUICK, drop=lose) as trunk,
    ):
        for _ in range(30):
            owner = Owner()
            owners.append(owner)
            leg = trunk.call(
                "sip:12345@x", node.endpoint.local, sdp=OFFER, caller="1", on_event=owner
            )
            wishes(leg, chance.sample(["hang_up"], chance.randint(0, 1)))
        async with asyncio.timeout(15):
            for owner in owners:
                await owner.ended()
            await until(lambda: node.counts() == trunk.counts() == NOTHING, 10)
    for owner in owners:
        kinds = [type(event) for event in owner.events]
        assert kinds.count(LegEnded) == 1
        assert kinds[-1] is LegEnded
    assert node.endpoint.counters["user_errors"] == trunk.endpoint.counters["user_errors"] == 0
