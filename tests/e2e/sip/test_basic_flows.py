"""RFC 3665: the basic call flows, message by message, at a live node.

A node is registrar and B2BUA, so of each flow both its ends are looked at: what the caller sees of
it, and what the phone or the partner's exchange does. The flows over proxies (§3.2, §3.4) are in
`test_kamailio`, that by a redirect server (§3.6) in `test_calls_out` and `test_scenarios`.
"""

import pytest
from aiosipua import SipMessage, SipRequest

from tests.e2e.sip.conftest import EXCHANGE, GRANTED, Duty
from tests.e2e.sip.raw import (
    Address,
    Called,
    Caller,
    Party,
    RawSip,
    Registration,
    challenges,
    description,
    header,
    tag_of,
)
from tests.e2e.sip.talk import an_own_call, talking
from tests.support.node import PASSWORD

pytestmark = pytest.mark.e2e

#: A session description whose audio is of no interest.
QUIET = description(40000)


def everything(wire: RawSip) -> list[SipRequest]:
    """Return the requests that came, in order."""
    found = [SipMessage.parse(data) for _, data in wire.arrived]
    return [message for message in found if isinstance(message, SipRequest)]


def are_one_dialogs(requests: list[SipRequest], party: Party) -> None:
    """Assert what §12.2 wants of requests to a party within its dialog."""
    own_tag = tag_of(party.local)
    for request in requests:
        assert header(request, "Call-ID") == party.call_id
        assert tag_of(header(request, "To")) == own_tag
        assert header(request, "Via").count("branch=z9hG4bK") == 1
    assert len({tag_of(header(request, "From")) for request in requests}) == 1
    branches = [header(request, "Via") for request in requests]
    assert len(set(branches)) == len(branches)


# §2: registration


async def test_the_life_of_a_registration(sip: Address) -> None:
    async with RawSip() as wire:
        phone = Registration(wire, sip, "1002", PASSWORD)
        contact = ("Contact", phone.contact)
        # 2.1 Successful New Registration: F1 to F4
        challenged = await phone.attempt(contact)
        assert challenged.status_code == 401
        assert challenged.headers.get("Contact") == []
        challenge = challenges(challenged)["SHA-256"]
        assert {"realm", "nonce", "qop"} <= set(challenge)
        accepted = await phone.attempt(contact, phone.credentials(challenge))
        assert accepted.status_code == 200
        assert header(accepted, "CSeq") == "2 REGISTER"
        assert accepted.headers.get("Contact") == [f"{phone.contact};expires={GRANTED}"]
        assert tag_of(header(accepted, "From")) == tag_of(phone.local)
        assert tag_of(header(accepted, "To"))
        # 2.2 Update of Contact List: one more address
        other = "<sip:1002@127.0.0.1:9>"
        both = await phone.register(contact=other)
        assert len(both.headers.get("Contact")) == 2
        # 2.3 Request for Current Contact List: no Contact asks for it, and changes nothing
        challenge = challenges(await phone.attempt())["MD5"]
        listed = await phone.attempt(phone.credentials(challenge))
        assert listed.status_code == 200
        assert len(listed.headers.get("Contact")) == 2
        # 2.4 Cancellation of Registration
        gone = await phone.register(("Expires", "0"), contact="*")
        assert (gone.status_code, gone.headers.get("Contact")) == (200, [])
        # 2.5 Unsuccessful Registration: the challenge is answered wrongly, and comes again
        challenge = challenges(await phone.attempt(contact))["MD5"]
        refused = await phone.attempt(contact, phone.credentials(challenge, password="wrong"))
        assert refused.status_code == 401
        assert "MD5" in challenges(refused)


# §3: sessions


async def test_a_session_and_its_move(sip: Address, trunk: RawSip, duty: Duty) -> None:
    async with duty("1003") as agent, talking(trunk, agent, sip) as talk:
        # 3.1 Successful Session Establishment: F1 to F6 on either side
        assert trunk.story == ["180 INVITE", "200 INVITE"]
        assert agent.phone.story == ["INVITE", "ACK"]
        invite, ack = everything(agent.phone)
        assert header(ack, "CSeq") == header(invite, "CSeq").replace("INVITE", "ACK")
        # 3.7 Session with re-INVITE: the citizen's audio moves; the agent's side notices nothing
        moved = await talk.citizen.reoffer(description(40010, version=2))
        assert tag_of(header(moved, "To")) == tag_of(talk.citizen.remote)
        # ... and the end of 3.1
        talk.agent.ask("BYE")
        bye = await trunk.request("BYE")
        await agent.phone.response("200 BYE")
        talk.citizen.answer(200, bye)
        assert trunk.story == ["180 INVITE", "200 INVITE", "200 INVITE", "BYE"]
        assert agent.phone.story == ["INVITE", "ACK", "200 BYE"]
        are_one_dialogs(everything(trunk), talk.citizen)
        are_one_dialogs([ack], talk.agent)


async def test_a_caller_who_gives_up(sip: Address, trunk: RawSip, duty: Duty) -> None:
    async with duty("1005") as agent:
        # 3.8 Unsuccessful No Answer
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        phone = Called(agent.phone, sip, await agent.phone.request("INVITE"))
        phone.answer(180)
        await trunk.response("180 INVITE")
        caller.cancel()
        cancel = await agent.phone.request("CANCEL")
        phone.answer(200, cancel)
        phone.answer(487)
        ack = await agent.phone.request("ACK")
        await trunk.response("200 CANCEL")
        await caller.refused(487)
        assert trunk.story == ["180 INVITE", "200 CANCEL", "487 INVITE"]
        assert agent.phone.story == ["INVITE", "CANCEL", "ACK"]
        # §9.1, §17.1.1.3: both are the INVITE's hop by hop: its branch, its number, its sender
        for request in (cancel, ack):
            for name in ("Via", "From", "Call-ID"):
                assert header(request, name) == header(phone.invite, name)
            assert header(request, "CSeq").split()[0] == header(phone.invite, "CSeq").split()[0]
        assert header(cancel, "To") == header(phone.invite, "To")
        assert tag_of(header(ack, "To")) == phone.tag


@pytest.mark.parametrize("status", [486, 480])
async def test_a_partner_who_does_not_take_the_call(sip: Address, duty: Duty, status: int) -> None:
    """3.9 Unsuccessful Busy, 3.11 Temporarily Unavailable; 3.3: the caller is challenged."""
    async with duty("1007", ready=False) as agent, RawSip(*EXCHANGE) as exchange:
        call = await an_own_call(agent, sip, line="120", port=40000)
        partner = Called(exchange, sip, await exchange.request("INVITE"))
        partner.answer(100)
        partner.answer(180)
        await agent.phone.response("180 INVITE")
        partner.answer(status)
        ack = await exchange.request("ACK")
        await call.refused(status)
        assert exchange.story == ["INVITE", "ACK"]
        assert agent.phone.story == ["407 INVITE", "180 INVITE", f"{status} INVITE"]
        assert header(ack, "Via") == header(partner.invite, "Via")
        assert tag_of(header(ack, "To")) == partner.tag


async def test_a_partner_whose_exchange_is_silent(sip: Address, duty: Duty) -> None:
    """3.10 Unsuccessful No Response: given up, long before the INVITE's transaction times out."""
    async with duty("1012", ready=False) as agent, RawSip(*EXCHANGE) as exchange:
        call = await an_own_call(agent, sip, line="122", port=40000)
        first, second, *_ = await exchange.repeated("INVITE")
        assert first < second  # Timer A
        call.cancel()
        await agent.phone.response("200 CANCEL")
        await call.refused(487)
        # §9.1: nothing has been said, so nothing is taken back
        assert set(exchange.story) == {"INVITE"}
        Called(exchange, sip, await exchange.request("INVITE")).answer(487)
        await exchange.request("ACK")
