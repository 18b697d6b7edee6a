"""A gateway and its trunks on loopback: who is asked, registered at, called, and left."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from aiosipua import SipRequest, SipResponse

from telephony.bindings import MemoryBindings
from telephony.endpoint import SipEndpoint
from telephony.gateway import NoTrunk, SipGateway
from telephony.leg import LegAnswered, LegEnded
from telephony.sip.dialog import header_address
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Destination
from telephony.sip.message import cseq_of, make_response
from telephony.sip.register_client import Patience
from telephony.sip.transaction import Timers
from telephony.trunks.health import HealthTimes
from telephony.trunks.model import Account, Trunk
from telephony.trunks.numbers import NumberRules
from telephony.trunks.service import AVOID_SECONDS, TrunkService, TrunkStatus
from tests.support.waiting import until
from tests.telephony.gateways import HOST, OFFER, QUICK, REALM, Accounts, Desk, Owner, message
from tests.telephony.peers import Peer, a_peer

TIMES = HealthTimes(retry=0.05, answer=0.05, trial=0.3)


class Changes:
    """Writes down which trunk went up or down."""

    def __init__(self) -> None:
        self.told: list[TrunkStatus] = []

    def __call__(self, status: TrunkStatus) -> None:
        self.told.append(status)

    @property
    def story(self) -> list[tuple[str, bool]]:
        return [(status.name, status.up) for status in self.told]


def to(peer: Peer, name: str, **options: Any) -> Trunk:
    """Return a trunk whose exchange is a peer."""
    trunk = Trunk(name=name, host=peer.address[0], port=peer.address[1])
    return replace(trunk, **options)


@asynccontextmanager
async def a_node(
    *trunks: Trunk,
    desk: Desk | None = None,
    changes: Changes | None = None,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    times: HealthTimes = TIMES,
    timers: Timers = QUICK,
) -> AsyncIterator[SipGateway]:
    gateway = SipGateway(
        trunks=trunks,
        realm=REALM,
        credentials=Accounts(),
        bindings=MemoryBindings(),
        on_call=desk or Desk(),
        on_trunk=changes or Changes(),
        trunk_times=times,
        patience=patience,
        timers=timers,
    )
    await gateway.open(HOST, 0)
    try:
        yield gateway
    finally:
        await gateway.close()


def dialled(gateway: SipGateway, owner: Owner, number: str = "110", **options: Any) -> None:
    gateway.dial(number, sdp=OFFER, caller="12345", on_event=owner, **options)


async def test_a_call_goes_out_as_the_trunk_wants_it() -> None:
    with a_peer() as carrier:
        rules = NumberRules([("(1[0-9]{2})", r"0512\1")])
        trunk = to(carrier, "telecom", domain="ims.example", outbound=rules)
        async with a_node(trunk) as gateway:
            owner = Owner()
            dialled(gateway, owner)
            invite = await carrier.fresh("INVITE")
            assert invite.uri == "sip:0512110@ims.example"
            assert header_address(invite, "To").uri == invite.uri
            assert header_address(invite, "From").uri == "sip:12345@ims.example"
            (leg,) = gateway.legs.values()
            assert (leg.trunk, leg.called) == ("telecom", "110")
            assert gateway.trunks.statuses()[0].calls == 1
            carrier.send(make_response(invite, 486, to_tag="busy"), gateway.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 486, "Busy Here")
            assert gateway.trunks.statuses()[0].calls == 0


async def test_the_next_trunk_is_taken_when_one_fails_and_the_owner_never_notices() -> None:
    with a_peer() as broken, a_peer() as silent, a_peer() as works:
        trunks = [
            to(broken, "broken", priority=1),
            to(silent, "silent", priority=2),
            to(works, "works", priority=3),
        ]
        async with a_node(*trunks) as gateway:
            owner = Owner()
            dialled(gateway, owner)
            first = await broken.fresh("INVITE")
            broken.send(make_response(first, 503, to_tag="x"), gateway.endpoint.local)
            assert (await broken.fresh("ACK")).call_id == first.call_id
            await silent.fresh("INVITE")
            invite = await works.fresh("INVITE")
            contact = (("Contact", f"<sip:110@{HOST}:{works.address[1]}>"),)
            answer = make_response(invite, 200, to_tag="answered", headers=contact)
            answer.headers.append("Content-Type", "application/sdp")
            answer.text = OFFER
            works.send(answer, gateway.endpoint.local)
            await owner.told(LegAnswered)
            await works.fresh("ACK")
            assert owner.events == [LegAnswered(OFFER)]
            assert [status.calls for status in gateway.trunks.statuses()] == [0, 0, 1]
            (leg,) = gateway.legs.values()
            assert leg.trunk == "works"
            leg.hang_up()
            works.send(make_response(await works.fresh("BYE"), 200), gateway.endpoint.local)
            await owner.ended()


def named(monkeypatch: pytest.MonkeyPatch, *peers: Peer) -> Trunk:
    """Return a trunk whose name has several addresses."""

    async def looked_up(*_args: object) -> tuple[tuple[str, int], ...]:
        return tuple(peer.address for peer in peers)

    monkeypatch.setattr("telephony.trunks.service.addresses", looked_up)
    return Trunk(name="telecom", host="sip.telecom.example")


async def test_a_call_goes_to_the_next_address_of_its_trunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_peer() as first, a_peer() as second:
        trunk = named(monkeypatch, first, second)
        async with a_node(trunk) as gateway:
            owner = Owner()
            dialled(gateway, owner)
            refused = await first.fresh("INVITE")
            first.send(make_response(refused, 503, to_tag="x"), gateway.endpoint.local)
            invite = await second.fresh("INVITE")
            assert invite.call_id == refused.call_id
            (leg,) = gateway.legs.values()
            assert (leg.trunk, gateway.trunks.statuses()[0].calls) == ("telecom", 1)
            second.send(make_response(invite, 486, to_tag="busy"), gateway.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 486, "Busy Here")
            assert gateway.trunks.statuses()[0].calls == 0


async def call_over(gateway: SipGateway, *answers: tuple[Peer, int]) -> None:
    """Make a call; each of the peers in turn gets its INVITE and answers so."""
    owner = Owner()
    dialled(gateway, owner)
    for way, (peer, status) in enumerate(answers):
        invite = await peer.fresh("INVITE")
        assert cseq_of(invite)[0] == 1 + 100 * way
        peer.send(make_response(invite, status, to_tag="x"), gateway.endpoint.local)
    await owner.ended()


async def test_an_address_that_has_failed_a_call_stands_last_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 3263 §4.3; there is no registration to tell."""
    with a_peer() as dead, a_peer() as alive:
        trunk = named(monkeypatch, dead, alive)
        async with a_node(trunk) as gateway:
            await call_over(gateway, (dead, 503), (alive, 486))
            await call_over(gateway, (alive, 486))
            await call_over(gateway, (alive, 503), (dead, 486))


@pytest.mark.parametrize("seconds, for_seconds", [(None, AVOID_SECONDS), (90.0, 90.0), (0.0, 0.0)])
async def test_an_address_that_has_failed_a_call_stands_last_for_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: float | None, for_seconds: float
) -> None:
    """RFC 3261 §21.5.4: for as long as its Retry-After says."""
    addresses = ("127.0.0.2", 5060), ("127.0.0.3", 5060), ("127.0.0.4", 5060)

    async def looked_up(*_args: object) -> tuple[tuple[str, int], ...]:
        return addresses

    monkeypatch.setattr("telephony.trunks.service.addresses", looked_up)
    service = TrunkService([Trunk(name="telecom", host="sip.telecom.example", probe_seconds=None)])
    await service.open(cast("SipEndpoint", HalfDead()), product="test")
    before = asyncio.get_running_loop().time()
    service.passed_over("telecom", addresses[0], seconds)
    after = asyncio.get_running_loop().time()

    def tried(at: float) -> list[Destination]:
        return [route.destination for route in service.routes("110", caller=None, now=at)]

    if for_seconds:
        assert tried(before + for_seconds - 0.1) == [*addresses[1:]]
    assert tried(after + for_seconds + 0.1) == [*addresses[:2]]
    await service.close()


async def test_calls_stay_where_we_are_registered_though_one_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only there our Contact is known: its neighbour would answer 403, which is final."""
    with a_peer() as home, a_peer() as neighbour:
        account = Account("51200000", "secret", register=True)
        trunk = replace(named(monkeypatch, home, neighbour), account=account)
        async with a_node(trunk) as gateway:
            where = gateway.endpoint.local
            home.send(make_response(await home.fresh("REGISTER"), 200), where)
            await until(lambda: gateway.trunks.statuses()[0].up)
            await call_over(gateway, (home, 503), (neighbour, 403))
            await call_over(gateway, (home, 486))
            closing = asyncio.create_task(gateway.close())
            last = await home.fresh("REGISTER")
            assert last.headers.get("Expires") == ["0"]
            home.send(make_response(last, 200), where)
            await closing


async def test_a_trunk_whose_name_was_unknown_is_looked_up_for_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[tuple[str, int]] = []

    async def looked_up(*_args: object) -> tuple[tuple[str, int], ...]:
        return tuple(known)

    monkeypatch.setattr("telephony.trunks.service.addresses", looked_up)
    service = TrunkService([Trunk(name="telecom", host="sip.telecom.example")])
    await service.open(cast("SipEndpoint", HalfDead()), product="test")
    assert service.routes("110", caller=None, now=0.0) == []
    known.append(("127.0.0.3", 5060))
    await asyncio.sleep(0)
    later = iter(range(1000, 10**6, 1000))
    await until(lambda: service.routes("110", caller=None, now=float(next(later))) != [])
    await service.close()


async def test_a_trunk_whose_first_address_is_silent_is_asked_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_peer() as silent, a_peer() as alive:
        trunk = replace(named(monkeypatch, silent, alive), probe_seconds=0.1)
        async with a_node(trunk) as gateway:
            options = await alive.fresh("OPTIONS")
            alive.send(make_response(options, 200, to_tag="x"), gateway.endpoint.local)
            dialled(gateway, Owner())
            await alive.fresh("INVITE")
            for leg in gateway.legs.values():
                leg.hang_up()


class HalfDead:
    """An endpoint's side that trunks see: of two addresses one answers at once, one never."""

    DEAD, ALIVE = ("127.0.0.2", 5060), ("127.0.0.3", 5060)

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fail: list[Callable[[TransactionFailure], None]] = []

    def reached_at(self, _destination: object) -> tuple[str, tuple[str, int]]:
        return "UDP", (HOST, 5060)

    def send_request(
        self,
        request: SipRequest,
        destination: tuple[str, int],
        *,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> None:
        self.asked.append(destination)
        if destination == self.ALIVE:
            on_response(make_response(request, 200, to_tag="x"))
        else:
            self.fail.append(on_failure)


async def test_a_silent_address_is_left_once_whenever_its_transactions_die(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes, endpoint = Changes(), HalfDead()

    async def looked_up(*_args: object) -> tuple[tuple[str, int], ...]:
        return endpoint.DEAD, endpoint.ALIVE

    monkeypatch.setattr("telephony.trunks.service.addresses", looked_up)
    trunk = Trunk(name="telecom", host="sip.telecom.example", probe_seconds=0.01)
    service = TrunkService([trunk], on_change=changes, times=replace(TIMES, retry=0.01))
    await service.open(cast("SipEndpoint", endpoint), product="test")
    await until(lambda: len(endpoint.asked) >= 3)
    for failed in endpoint.fail:
        failed("timeout")  # after 32 s over UDP: others have been asked long since
    await until(lambda: len(endpoint.asked) >= 6)
    await service.close()
    assert endpoint.asked[0] == endpoint.DEAD
    assert set(endpoint.asked[1:]) == {endpoint.ALIVE}
    assert changes.story == []


async def test_a_number_nobody_takes_fails_as_the_last_trunk_says() -> None:
    with a_peer() as one, a_peer() as two:
        async with a_node(to(one, "one"), to(two, "two", priority=1)) as gateway:
            owner = Owner()
            dialled(gateway, owner)
            for peer, status in ((one, 500), (two, 404)):
                invite = await peer.fresh("INVITE")
                peer.send(make_response(invite, status, to_tag="x"), gateway.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 404, "Not Found")


async def test_a_number_that_does_not_exist_is_not_tried_elsewhere() -> None:
    with a_peer() as one, a_peer() as two:
        async with a_node(to(one, "one"), to(two, "two", priority=1)) as gateway:
            owner = Owner()
            dialled(gateway, owner)
            invite = await one.fresh("INVITE")
            one.send(make_response(invite, 404, to_tag="x"), gateway.endpoint.local)
            assert (await owner.ended()).status == 404
            assert not two.pending()


async def test_only_trunks_of_these_names_with_room_and_a_way_out() -> None:
    with a_peer() as one, a_peer() as two:
        trunks = [
            Trunk.allowing(HOST),
            to(one, "one", max_calls=1),
            to(two, "two", priority=1),
        ]
        async with a_node(*trunks) as gateway:
            for owner in (Owner(), Owner()):
                dialled(gateway, owner)
            assert (await one.fresh("INVITE")).uri.startswith("sip:110@")
            await two.fresh("INVITE")
            with pytest.raises(NoTrunk):
                dialled(gateway, Owner(), trunks=["one"])
            with pytest.raises(NoTrunk):
                dialled(gateway, Owner(), trunks=["local"])
            for leg in gateway.legs.values():
                leg.hang_up()


async def test_a_partners_own_trunk_carries_nobody_elses_calls() -> None:
    with a_peer() as police:
        async with a_node(to(police, "police", reserved=True)) as gateway:
            with pytest.raises(NoTrunk):
                dialled(gateway, Owner())
            dialled(gateway, Owner(), trunks=["police"])
            await police.fresh("INVITE")
            for leg in gateway.legs.values():
                leg.hang_up()


async def test_a_trunk_that_is_down_stands_last() -> None:
    changes = Changes()
    with a_peer() as works:
        with a_peer() as gone:
            dead = to(gone, "dead", probe_seconds=0.1)
        async with a_node(dead, to(works, "works", priority=9), changes=changes) as gateway:
            await until(lambda: changes.story == [("dead", False)])
            assert changes.told[0].reason
            dialled(gateway, Owner())
            await works.fresh("INVITE")
            for leg in gateway.legs.values():
                leg.hang_up()


async def test_a_trunk_comes_back_by_itself() -> None:
    changes = Changes()
    with a_peer() as gone:
        address = gone.address
        trunk = to(gone, "telecom", probe_seconds=0.1)
    async with a_node(trunk, changes=changes) as gateway:
        await until(lambda: changes.story == [("telecom", False)])
        with a_peer(address[1]) as back:
            while changes.story[-1] == ("telecom", False):
                options = await back.fresh("OPTIONS")
                back.send(make_response(options, 200, to_tag="x"), gateway.endpoint.local)
                await asyncio.sleep(0)
            assert changes.story == [("telecom", False), ("telecom", True)]


# Calls in


async def test_a_full_trunk_is_told_when_to_come_again() -> None:
    desk = Desk()
    trunk = replace(Trunk.allowing("127.0.0.0/8"), max_calls=1)
    async with a_node(trunk, desk=desk) as gateway:
        with a_peer() as carrier:
            first = message(carrier, gateway, "INVITE", call_id="first", body=OFFER)
            carrier.send(first, gateway.endpoint.local)
            leg, owner = await desk.call()
            second = message(carrier, gateway, "INVITE", call_id="second", body=OFFER)
            carrier.send(second, gateway.endpoint.local)
            refused = await carrier.final()
            assert refused.status_code == 503
            assert refused.headers.get("Retry-After") == ["5"]
            assert gateway.trunks.statuses()[0].refused == 1
            leg.refuse(486)
            await owner.ended()
            third = message(carrier, gateway, "INVITE", call_id="third", body=OFFER)
            carrier.send(third, gateway.endpoint.local)
            again, _ = await desk.call()
            assert again.trunk == "local"
            again.refuse(486)


async def test_a_trunk_that_brings_too_many_calls_a_second_is_told_when_to_come_again() -> None:
    desk = Desk()
    trunk = replace(Trunk.allowing("127.0.0.0/8"), calls_per_second=0.01)
    async with a_node(trunk, desk=desk) as gateway:
        with a_peer() as carrier:
            first = message(carrier, gateway, "INVITE", call_id="first", body=OFFER)
            carrier.send(first, gateway.endpoint.local)
            leg, owner = await desk.call()
            leg.refuse(486)
            await owner.ended()  # how many there are at once does not matter
            second = message(carrier, gateway, "INVITE", call_id="second", body=OFFER)
            carrier.send(second, gateway.endpoint.local)
            while (refused := await carrier.final()).headers.get_first("Call-ID") != "second":
                pass
            assert refused.status_code == 503
            assert 1 < int(refused.headers.get("Retry-After")[0]) <= 100
            assert desk.calls.empty()


async def test_numbers_are_ours_when_the_owner_sees_them() -> None:
    desk = Desk()
    rules = NumberRules([(r"\+86(1\d{10})", r"\1"), (r"0512(12345)", r"\1")])
    trunk = replace(Trunk.allowing("127.0.0.0/8"), inbound=rules)
    async with a_node(trunk, desk=desk) as gateway:
        with a_peer() as carrier:
            invite = message(
                carrier,
                gateway,
                "INVITE",
                user="+8613862311001",
                uri=f"sip:051212345@{HOST}",
                body=OFFER,
            )
            carrier.send(invite, gateway.endpoint.local)
            leg, _ = await desk.call()
            assert (leg.caller, leg.called) == ("13862311001", "12345")
            leg.refuse(486)


# Registration


async def test_a_trunk_is_registered_at_used_and_left() -> None:
    changes, desk = Changes(), Desk()
    with a_peer() as carrier:
        account = Account("51200000", "secret", register=True, expires=600)
        trunk = to(carrier, "telecom", domain="ims.example", account=account)
        async with a_node(trunk, changes=changes, desk=desk) as gateway:
            first = await carrier.fresh("REGISTER")
            assert first.uri == "sip:ims.example"
            assert header_address(first, "To").uri == "sip:51200000@ims.example"
            assert gateway.trunks.statuses()[0].registered is False
            challenge = (("WWW-Authenticate", 'Digest realm="ims", nonce="1", qop="auth"'),)
            carrier.send(make_response(first, 401, headers=challenge), gateway.endpoint.local)
            second = await carrier.fresh("REGISTER")
            assert 'username="51200000"' in second.headers.get("Authorization")[0]
            contact = second.headers.get("Contact")[0]
            granted = (("Contact", f"{contact};expires=300"),)
            carrier.send(make_response(second, 200, headers=granted), gateway.endpoint.local)
            await until(lambda: changes.story == [("telecom", True)])
            # the carrier calls our Contact, and writes into To what was dialled
            invite = message(
                carrier,
                gateway,
                "INVITE",
                uri=contact.strip("<>"),
                to="<sip:12345@ims.example>",
                body=OFFER,
            )
            carrier.send(invite, gateway.endpoint.local)
            leg, _ = await desk.call()
            assert (leg.called, leg.trunk) == ("12345", "telecom")
            leg.refuse(486)
            closing = asyncio.create_task(gateway.close())
            last = await carrier.fresh("REGISTER")
            assert last.headers.get("Expires") == ["0"]
            carrier.send(make_response(last, 200), gateway.endpoint.local)
            await closing
        assert changes.story == [("telecom", True), ("telecom", False)]


def refused_with(gateway: SipGateway, status: str) -> bool:
    (trunk,) = gateway.trunks.statuses()
    return not trunk.up and status in (trunk.reason or "")


async def test_a_carrier_that_refuses_to_register_us_is_asked_again() -> None:
    changes = Changes()
    with a_peer() as carrier:
        trunk = to(carrier, "telecom", account=Account("51200000", "secret", register=True))
        patience = Patience(base=0.01)
        async with a_node(trunk, changes=changes, patience=patience) as gateway:
            where, asked = gateway.endpoint.local, list[SipRequest]()
            for status in (403, 503, 500):
                asked.append(await carrier.fresh("REGISTER"))
                carrier.send(make_response(asked[-1], status), where)
                await until(partial(refused_with, gateway, str(status)))
            asked.append(await carrier.fresh("REGISTER"))
            assert changes.story == []  # it was never up
            carrier.send(make_response(asked[-1], 200), where)
            await until(lambda: changes.story == [("telecom", True)])
            assert [cseq_of(one)[0] for one in asked] == [1, 2, 3, 4]
            assert len({one.headers.get("Call-ID")[0] for one in asked}) == 1
            dialled(gateway, Owner())
            invite = await carrier.fresh("INVITE")
            carrier.send(make_response(invite, 486, to_tag="busy"), where)
            closing = asyncio.create_task(gateway.close())
            last = await carrier.fresh("REGISTER")
            carrier.send(make_response(last, 200), where)
            await closing


async def test_a_trunk_sends_a_call_on_to_its_own_addresses_only() -> None:
    with a_peer() as carrier, a_peer(host="127.0.0.3") as other:
        there = f"<sip:110@127.0.0.3:{other.address[1]}>"
        inside = (ipaddress.ip_network("127.0.0.3"),)
        for networks, follows in ((inside, True), ((), False)):
            async with a_node(to(carrier, "telecom", networks=networks)) as gateway:
                owner = Owner()
                dialled(gateway, owner)
                invite = await carrier.fresh("INVITE")
                moved = make_response(invite, 302, to_tag="x", headers=(("Contact", there),))
                carrier.send(moved, gateway.endpoint.local)
                if follows:
                    again = await other.fresh("INVITE")
                    assert again.uri == there.strip("<>")
                    other.send(make_response(again, 486, to_tag="y"), gateway.endpoint.local)
                assert (await owner.ended()).status == (486 if follows else 302)
                assert gateway.trunks.statuses()[0].calls == 0


@pytest.mark.parametrize(
    "contact, called",
    [
        ("sip:110@{};x=y", "sip:110@{};x=y"),  # the same number, at another address
        ("sip:0512110@{};x=y", "sip:0512110@{};x=y"),  # ... as this trunk writes it
        ("sip:+8613862311001@{}", "sip:+8613862311001@{}"),  # one that may be called instead
        ("tel:+86-138-6231-1001", "sip:+8613862311001@{}"),  # ... by whoever says so
        ("sip:0900123456@{}", None),
        ("tel:0900123456", None),
        ("sip:duty-desk@{}", None),
        ("sip:110;phone-context=+1900@{}", None),  # RFC 3966: +1900110
        ("tel:110;phone-context=+1900", None),
        ("sip:110:0900@{}", None),
    ],
)
async def test_a_trunk_sends_a_call_on_to_numbers_that_may_be_called_only(
    contact: str, called: str | None
) -> None:
    with a_peer() as carrier:
        where = f"{HOST}:{carrier.address[1]}"
        trunk = to(
            carrier,
            "telecom",
            inbound=NumberRules([(r"\+86(1\d{10})", r"\1")]),
            outbound=NumberRules([("(110)", r"0512\1")]),
        )
        async with a_node(trunk) as gateway:
            owner = Owner()
            dialled(gateway, owner, elsewhere={"13862311001"}.__contains__)
            invite = await carrier.fresh("INVITE")
            moved = (("Contact", f"<{contact.format(where)}>"),)
            carrier.send(
                make_response(invite, 302, to_tag="x", headers=moved), gateway.endpoint.local
            )
            if called is not None:
                again = await carrier.fresh("INVITE")
                assert again.uri == called.format(where)
                carrier.send(make_response(again, 486, to_tag="y"), gateway.endpoint.local)
            assert (await owner.ended()).status == (302 if called is None else 486)
