"""REGISTER over the wire (RFC 3261 §10.3, RFC 8760)."""

import re

import pytest

from tests.e2e.sip.conftest import GRANTED, LONGEST, SHORTEST
from tests.e2e.sip.raw import Address, RawSip, Registration, challenges, header
from tests.support.node import PASSWORD, RunningNode

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_either_algorithm_registers(sip: Address, algorithm: str) -> None:
    async with RawSip() as wire:
        phone = Registration(wire, sip, "1001", PASSWORD)
        asked = ("Contact", phone.contact)
        offered = challenges(await phone.attempt(asked))
        assert list(offered) == ["MD5", "SHA-256"]
        assert {challenge["realm"] for challenge in offered.values()} == {"hotline"}
        accepted = await phone.attempt(asked, phone.credentials(offered[algorithm]))
        assert accepted.status_code == 200
        assert accepted.headers.get("Contact") == [f"{phone.contact};expires={GRANTED}"]
        # the nonce goes on being good, each count once (RFC 7616 §3.4)
        again = await phone.attempt(asked, phone.credentials(offered[algorithm], count=2))
        assert again.status_code == 200
        replayed = await phone.attempt(asked, phone.credentials(offered[algorithm], count=2))
        assert replayed.status_code == 401
        assert {challenge["stale"] for challenge in challenges(replayed).values()} == {"true"}
        gone = await phone.register(("Expires", "0"), algorithm=algorithm)
        assert (gone.status_code, gone.headers.get("Contact")) == (200, [])


async def test_a_nonce_that_is_not_ours_is_stale_and_a_wrong_password_is_not(sip: Address) -> None:
    async with RawSip() as wire:
        phone = Registration(wire, sip, "1002", PASSWORD)
        challenge = challenges(await phone.attempt(("Contact", phone.contact)))["MD5"]
        foreign = {**challenge, "nonce": "0" * len(challenge["nonce"])}
        refused = await phone.attempt(("Contact", phone.contact), phone.credentials(foreign))
        assert refused.status_code == 401
        assert challenges(refused)["MD5"]["stale"] == "true"
        wrong = phone.credentials(challenge, password="wrong")
        refused = await phone.attempt(("Contact", phone.contact), wrong)
        assert refused.status_code == 401
        assert "stale" not in challenges(refused)["MD5"]
        # what the phone did wrong did not use up the nonce
        right = phone.credentials(challenge)
        assert (await phone.attempt(("Contact", phone.contact), right)).status_code == 200
        await phone.register(("Expires", "0"), contact="*")


async def test_nobody_registers_for_another_or_as_somebody_unknown(sip: Address) -> None:
    async with RawSip() as wire:
        thief = Registration(wire, sip, "1003", PASSWORD)
        thief.remote = thief.remote.replace("1003", "1004")
        assert (await thief.register()).status_code == 403
        unknown = Registration(wire, sip, "7777", PASSWORD)
        assert (await unknown.register()).status_code == 401
        nobody = Registration(wire, sip, "1003", PASSWORD)
        nobody.remote = f"<sip:{sip[0]}>"
        assert (await nobody.attempt()).status_code == 404


async def test_too_short_a_life_is_answered_with_the_shortest(sip: Address) -> None:
    async with RawSip() as wire:
        phone = Registration(wire, sip, "1005", PASSWORD)
        brief = await phone.register(("Expires", "10"))
        assert (brief.status_code, header(brief, "Min-Expires")) == (423, str(SHORTEST))
        long = await phone.register(("Expires", "86400"))
        assert long.headers.get("Contact") == [f"{phone.contact};expires={LONGEST}"]
        own = await phone.register(("Expires", "600"), contact=f"{phone.contact};expires=90")
        assert own.headers.get("Contact") == [f"{phone.contact};expires=90"]
        await phone.register(("Expires", "0"), contact="*")


async def test_several_phones_are_listed_and_taken_away_one_by_one_or_all(
    node: RunningNode, sip: Address
) -> None:
    async with RawSip() as first_wire, RawSip() as second_wire, node.signed_in("1006") as api:
        first = Registration(first_wire, sip, "1006", PASSWORD)
        second = Registration(second_wire, sip, "1006", PASSWORD)
        await first.register()
        both = await second.register()
        assert _listed(both.headers.get("Contact")) == {first.contact, second.contact}
        assert (await api.get("/me"))["presence"]["phones"] == 2
        fetched = await first.register(contact=f"{first.contact};expires=0")
        assert _listed(fetched.headers.get("Contact")) == {second.contact}
        await first.register()
        refused = await first.register(contact="*")  # §10.3 step 6: without Expires: 0
        assert refused.status_code == 400
        refused = await first.register(("Expires", "0"), ("Contact", first.contact), contact="*")
        assert refused.status_code == 400
        none = await first.register(("Expires", "0"), contact="*")
        assert (none.status_code, none.headers.get("Contact")) == (200, [])
        assert (await api.get("/me"))["presence"]["phones"] == 0


async def test_a_register_that_was_overtaken_changes_nothing(sip: Address) -> None:
    async with RawSip() as wire:
        phone = Registration(wire, sip, "1007", PASSWORD)
        phone.cseq = 20
        assert (await phone.register()).status_code == 200
        phone.cseq = 9
        late = await phone.register(("Expires", "0"))
        assert late.status_code == 500
        phone.cseq = 30
        assert (await phone.register(("Expires", "0"), contact="*")).status_code == 200


def _listed(contacts: list[str]) -> set[str]:
    return {re.sub(";expires=.*", "", contact) for contact in contacts}
