"""STUN: the vectors of RFC 5769, what we write, and whatever else may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media import stun
from telephony.media.stun import MalformedStun, StunMessage, build, parse

# RFC 5769 §2.1, padded with spaces as there
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
# RFC 5769 §2.2
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = REQUEST[8:20]

attributes = st.lists(
    st.tuples(
        st.integers(0, 0xFFFF).filter(
            lambda kind: kind not in {stun.MESSAGE_INTEGRITY, stun.FINGERPRINT}
        ),
        st.binary(max_size=40),
    ),
    max_size=6,
)


def test_the_request_of_the_norm_is_read() -> None:
    message = parse(REQUEST)
    assert (message.kind, message.transaction) == (stun.BINDING_REQUEST, TRANSACTION)
    assert message.get(stun.USERNAME) == b"evtj:h6vY"
    assert message.get(stun.PRIORITY) == bytes.fromhex("6e0001ff")
    assert message.has(stun.ICE_CONTROLLED)
    assert not message.has(stun.USE_CANDIDATE)
    assert message.is_authentic(PASSWORD)
    assert not message.is_authentic(PASSWORD[:-1])


def test_the_response_of_the_norm_is_read_and_our_address_is_written_alike() -> None:
    message = parse(RESPONSE)
    assert message.kind == stun.BINDING_SUCCESS
    assert message.is_authentic(PASSWORD)
    mapped = stun.xor_address("192.0.2.1", 32853, TRANSACTION)
    assert message.get(stun.XOR_MAPPED_ADDRESS) == mapped
    assert stun.xor_address(
        "2001:db8:1234:5678:11:2233:4455:6677", 32853, TRANSACTION
    ) == bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


@given(st.integers(0, 0x3FFF), st.binary(min_size=12, max_size=12), attributes, st.binary())
def test_what_is_written_is_read(
    kind: int, transaction: bytes, given_: list[tuple[int, bytes]], key: bytes
) -> None:
    datagram = build(kind, transaction, given_, key=key)
    message = parse(datagram)
    assert (message.kind, message.transaction) == (kind, transaction)
    assert list(message.attributes[: len(given_)]) == given_
    assert [name for name, _ in message.attributes[len(given_) :]] == [
        stun.MESSAGE_INTEGRITY,
        stun.FINGERPRINT,
    ]
    assert message.is_authentic(key)


@given(st.integers(0, len(REQUEST) * 8 - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    spoilt = bytearray(REQUEST)
    spoilt[bit // 8] ^= 1 << bit % 8
    try:
        message = parse(bytes(spoilt))
    except MalformedStun:
        return
    # only bits that turn FINGERPRINT into something else pass, and those the key still covers
    assert bit // 8 >= len(REQUEST) - 8 or not message.is_authentic(PASSWORD)


@given(st.binary(max_size=120))
def test_anything_is_read_or_refused(datagram: bytes) -> None:
    for data in (
        datagram,
        REQUEST[:8] + datagram,
        REQUEST[:2] + len(datagram).to_bytes(2) + REQUEST[4:20] + datagram,
    ):
        try:
            message = parse(data)
        except MalformedStun:
            continue
        assert isinstance(message, StunMessage)
        message.is_authentic(PASSWORD)
        assert all(kind < stun.FIRST_OPTIONAL for kind in message.unknown(frozenset()))


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        REQUEST[:19],
        REQUEST[:-4],
        REQUEST + bytes(4),
        b"\x40" + REQUEST[1:],
        REQUEST[:4] + bytes(4) + REQUEST[8:],
        bytes.fromhex("000100082112a442") + TRANSACTION + bytes.fromhex("0008000401020304"),
        bytes.fromhex("000100042112a442") + TRANSACTION + bytes.fromhex("00060004"),
    ],
)
def test_what_is_malformed_is_refused(datagram: bytes) -> None:
    with pytest.raises(MalformedStun):
        parse(datagram)


def test_what_follows_the_integrity_does_not_count() -> None:
    signed = build(stun.BINDING_REQUEST, TRANSACTION, [], key=PASSWORD)[:-8]
    smuggled = signed + bytes.fromhex("00250000")
    smuggled = smuggled[:2] + (len(smuggled) - 20).to_bytes(2) + smuggled[4:]
    message = parse(smuggled)
    assert message.is_authentic(PASSWORD)
    assert not message.has(stun.USE_CANDIDATE)


def test_stun_is_told_from_rtp_and_dtls() -> None:
    assert stun.is_stun(REQUEST)
    assert not stun.is_stun(b"\x80" + REQUEST[1:])
    assert not stun.is_stun(b"\x16" + REQUEST[1:])
    assert not stun.is_stun(REQUEST[:10])
