"""Passes: whose, until when, and that nobody can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.authentication import Authenticator
from telephony.passes import PhonePasses
from telephony.sip.digest import Algorithm, DigestGuard, hash_secret
from telephony.sip.invite_usage import Reply
from tests.telephony.gateways import credentials
from tests.telephony.sip.samples import request

REALM = "hotline"


class Store:
    """One phone with a password."""

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        return hash_secret(username, REALM, "desk", algorithm) if username == "1001" else None


class Now:
    """The wall's clock."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


SIGNED_IN = {"s1"}


async def lasts(session: str) -> bool:
    """Whether somebody is signed in."""
    return session in SIGNED_IN


def passes(now: Now, secret: bytes = b"shared") -> PhonePasses:
    return PhonePasses(
        Store(), realm=REALM, secret=secret, lasts=lasts, wall_clock=now, lifetime=60
    )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_pass_is_good_at_every_node_until_it_is_over(algorithm: Algorithm) -> None:
    now = Now()
    issued = passes(now).issue("1001", "s1")
    assert issued.expires_at == 1060
    expected = hash_secret(issued.username, REALM, issued.password, algorithm)
    other_node = passes(now)
    assert await other_node.ha1(issued.username, algorithm) == expected
    assert await passes(now, b"another key").ha1(issued.username, algorithm) != expected
    now.at = 1060
    assert await other_node.ha1(issued.username, algorithm) is None


async def test_a_pass_is_good_on_a_pages_line_alone() -> None:
    """Over UDP its binding would outlast the session, and nobody would end it."""
    now = Now()
    issued = passes(now).issue("1001", "s1")
    guard = DigestGuard(realm=REALM, secret=b"of the node")
    authenticator = Authenticator(guard, passes(now), wall_clock=now)
    asked = request("REGISTER")
    challenge = await authenticator.username(asked, client="192.0.2.7", from_page=True)
    assert isinstance(challenge, Reply)
    proof = credentials(challenge.headers[0][1], asked, issued.username, issued.password)
    asked.headers.append("Authorization", proof)
    refused = await authenticator.username(asked, client="192.0.2.7")
    assert isinstance(refused, Reply)
    assert refused.status == 401
    assert await authenticator.username(asked, client="192.0.2.7", from_page=True) == "1001"


async def test_a_pass_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Now()
    kept, left = passes(now).issue("1001", "s1"), passes(now).issue("1001", "s2")
    assert await passes(now).ha1(kept.username, "MD5") is not None
    assert await passes(now).ha1(left.username, "MD5") is None
    renamed = left.username.replace("s2", "s1")  # another's session is another password
    forged = hash_secret(renamed, REALM, left.password, "MD5")
    assert await passes(now).ha1(renamed, "MD5") not in {None, forged}
    monkeypatch.setattr("tests.telephony.test_passes.SIGNED_IN", set())
    assert await passes(now).ha1(kept.username, "MD5") is None


async def test_the_phones_own_password_goes_on() -> None:
    assert await passes(Now()).ha1("1001", "MD5") == hash_secret("1001", REALM, "desk", "MD5")
    assert await passes(Now()).ha1("1002", "MD5") is None


async def test_a_longer_time_is_another_password() -> None:
    now = Now()
    issued = passes(now).issue("1001", "s1")
    stretched = issued.username.replace("1060", "9060")
    forged = hash_secret(stretched, REALM, issued.password, "MD5")
    assert await passes(now).ha1(stretched, "MD5") not in {None, forged}


async def test_there_is_no_pass_without_an_account() -> None:
    now = Now()
    assert await passes(now).ha1(passes(now).issue("1009", "s1").username, "MD5") is None
    with pytest.raises(ValueError, match="~"):
        passes(now).issue("10~01", "s1")
    with pytest.raises(ValueError, match="~"):
        passes(now).issue("1001", "s~1")


def test_a_pass_does_not_show_its_password() -> None:
    issued = passes(Now()).issue("1001", "s1")
    assert issued.password not in repr(issued)


@given(st.text())
async def test_any_user_name_is_known_or_not(username: str) -> None:
    await passes(Now()).ha1(username, "SHA-256")


async def test_an_expiry_of_thousands_of_digits_is_no_pass() -> None:
    assert await passes(Now()).ha1("1001~" + "9" * 5000, "MD5") is None
