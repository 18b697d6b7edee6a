"""A lite agent: whom it believes, what it answers, where media goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media import stun
from telephony.media.ice import MOST_PATHS, Answer, IceEffect, IceLite, Selected
from telephony.media.path import Source

HERE, THERE = ("192.0.2.7", 4000), ("198.51.100.9", 5000)
PASSWORD = "a password of twenty-two"
ID = bytes(12)


def agent() -> IceLite:
    return IceLite("ours", PASSWORD)


def check(
    *further: tuple[int, bytes],
    username: bytes | None = b"ours:theirs",
    key: bytes | None = PASSWORD.encode(),
    kind: int = stun.BINDING_REQUEST,
) -> bytes:
    named = [] if username is None else [(stun.USERNAME, username)]
    return stun.build(kind, ID, [*named, (stun.PRIORITY, bytes(4)), *further], key=key)


NOMINATION = (stun.USE_CANDIDATE, b"")


def told(effects: list[IceEffect]) -> stun.StunMessage:
    answers = [effect for effect in effects if isinstance(effect, Answer)]
    assert len(answers) == 1
    return stun.parse(answers[0].datagram)


def error_of(effects: list[IceEffect]) -> int:
    assert not [effect for effect in effects if isinstance(effect, Selected)]
    message = told(effects)
    assert message.kind == stun.BINDING_ERROR
    value = message.get(stun.ERROR_CODE)
    assert value is not None
    return value[2] * 100 + value[3]


def test_a_check_is_answered_with_the_address_it_came_from() -> None:
    ice = agent()
    effects = ice.handle(check(), HERE)
    answer = told(effects)
    assert (answer.kind, answer.transaction) == (stun.BINDING_SUCCESS, ID)
    assert answer.is_authentic(PASSWORD.encode())
    assert answer.get(stun.XOR_MAPPED_ADDRESS) == stun.xor_address(*HERE, ID)
    assert effects[1:] == [Selected(HERE)]
    assert ice.selected == HERE


@pytest.mark.parametrize(
    "datagram,code",
    [
        (check(username=None), 400),
        (check(key=None), 400),
        (check(username=b"nobody:theirs"), 401),
        (check(username=b""), 401),
        (check(key=b"guessed"), 401),
        (check((0x7777, b"")), 420),
        (check((stun.ICE_CONTROLLED, bytes(8))), 487),
    ],
)
def test_who_does_not_prove_himself_gets_an_error_and_no_media(datagram: bytes, code: int) -> None:
    ice = agent()
    assert error_of(ice.handle(datagram, THERE)) == code
    assert ice.selected is None
    assert not ice.is_valid(THERE)
    assert ice.refused == 1


@pytest.mark.parametrize("kind", [stun.BINDING_INDICATION, stun.BINDING_SUCCESS, 0x0003])
def test_what_is_no_check_is_not_answered(kind: int) -> None:
    ice = agent()
    assert ice.handle(check(kind=kind), HERE) == []
    assert ice.selected is None


def test_media_moves_when_another_path_is_nominated_and_not_before() -> None:
    ice = agent()
    ice.handle(check(), HERE)
    assert ice.handle(check(), THERE)[1:] == []
    assert ice.selected == HERE
    assert ice.is_valid(THERE)
    assert ice.handle(check(NOMINATION), THERE)[1:] == [Selected(THERE)]
    assert ice.handle(check(NOMINATION), THERE)[1:] == []
    assert ice.selected == THERE


def test_a_restart_changes_the_password_and_nothing_else() -> None:
    ice = agent()
    ice.handle(check(NOMINATION), HERE)
    ice.restart("ours", PASSWORD)
    ice.restart("new", "another password of 22 characters")
    assert error_of(ice.handle(check(), HERE)) == 401
    assert ice.selected == HERE
    newer = check(NOMINATION, username=b"new:theirs", key=b"another password of 22 characters")
    assert ice.handle(newer, THERE)[1:] == [Selected(THERE)]


def test_a_peer_of_many_addresses_fills_no_memory() -> None:
    ice = agent()
    paths: list[Source] = [("192.0.2.1", port) for port in range(1, 3 * MOST_PATHS)]
    for path in paths:
        ice.handle(check(), path)
    assert [path for path in paths if ice.is_valid(path)] == [
        paths[0],
        *paths[1 - MOST_PATHS :],
    ]


@given(st.lists(st.binary(max_size=64)))
def test_whatever_comes_nobody_is_believed(datagrams: list[bytes]) -> None:
    ice = agent()
    for data in datagrams:
        for datagram in (data, check(key=None)[:20] + data):
            for effect in ice.handle(datagram, THERE):
                assert isinstance(effect, Answer)
    assert ice.selected is None
