"""Who calls: citizens by their trunk, agents from their phones, strangers."""

import asyncio
import time
from typing import Any

import pytest
from aiosipua import SipRequest

from eventbus.precedence import Precedence
from telephony.abuse.gatekeeper import AbusePolicy
from telephony.bindings import Binding, MemoryBindings
from telephony.gateway import SipGateway
from telephony.sip.message import make_response
from telephony.trunks.model import Trunk
from tests.support.waiting import PATIENCE
from tests.telephony.gateways import (
    OFFER,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    credentials,
    message,
    register,
    status_of,
)
from tests.telephony.peers import Peer, a_peer

STRANGERS = (Trunk.allowing("10.9.9.0/24"),)  # trunks, none of which is loopback


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


async def test_a_citizens_call_is_told_of_and_goes_first_while_it_is_let_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.precedence.PATIENCE_SECONDS", 10 * PATIENCE)
    asked, known = asyncio.Event(), asyncio.Event()
    coming: list[tuple[str, str]] = []

    class Slow(MemoryBindings):
        async def lookup(self, aor: str) -> list[Binding]:
            asked.set()
            await known.wait()
            return await super().lookup(aor)

    order = Precedence()
    node = a_gateway(
        desk,
        bindings=Slow(),
        precedence=order,
        on_coming=lambda caller, trunk: coming.append((caller, trunk)),
    )
    async with node as gateway:
        with a_peer() as peer:
            peer.send(message(peer, gateway, "INVITE", body=OFFER), gateway.endpoint.local)
            async with asyncio.timeout(PATIENCE):
                await asked.wait()
            assert coming == [("13862311001", "local")]
            behind = asyncio.create_task(order.give_way())
            await asyncio.sleep(0)
            assert not behind.done()
            known.set()
            leg, _ = await desk.call()
            leg.refuse(486)
            await behind


@pytest.mark.parametrize(
    "user, privacy", [("Anonymous", ()), ("13862311001", (("Privacy", "id"),))]
)
async def test_a_number_that_is_withheld_is_kept_for_the_record_and_shown_to_nobody(
    gateway: SipGateway, desk: Desk, user: str, privacy: tuple[tuple[str, str], ...]
) -> None:
    """RFC 3323, 3325: what the law asks for is told apart from what may be shown."""
    asserted = ("P-Asserted-Identity", "<tel:13862311001>")
    with a_peer() as peer, a_peer() as phone:
        asked = message(
            peer, gateway, "INVITE", user=user, headers=(asserted, *privacy), body=OFFER
        )
        peer.send(asked, gateway.endpoint.local)
        leg, _ = await desk.call()
        assert leg.caller is None
        assert (leg.identity.number, leg.identity.withheld) == ("13862311001", True)
        assert "13862311001" not in repr(leg)
        # and so the agent's phone is called
        binding = Binding("1001", "sip:1001@x", phone.address, "c", 1, time.time() + 60)
        gateway.invite(
            binding, sdp=OFFER, caller=leg.caller, display=None, called="1001", on_event=Owner()
        )
        invite = await phone.request()
        assert invite.headers.get("From")[0].startswith('"Anonymous" <sip:anonymous@')
        assert invite.headers.get("Privacy") == ["id"]
        assert b"13862311001" not in bytes(invite)
        phone.send(make_response(invite, 486, to_tag="p"), gateway.endpoint.local)
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
            refusal = await phone.final()
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
            async with asyncio.timeout(20):
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
