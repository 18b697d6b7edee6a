"""RTCP: what is written is read, and what is not RTCP is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.rtcp import (
    Description,
    Goodbye,
    MalformedReport,
    ReceiverReport,
    ReportBlock,
    Rtcp,
    SenderReport,
    build,
    is_rtcp,
    parse,
)

words = st.integers(0, 2**32 - 1)
blocks = st.builds(
    ReportBlock,
    words,
    st.integers(0, 255),
    st.integers(-(2**23), 2**23 - 1),
    words,
    words,
    words,
    words,
)
some = st.lists(blocks, max_size=31).map(tuple)
texts = st.text(max_size=60)
packets: st.SearchStrategy[Rtcp] = st.one_of(
    st.builds(SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, some),
    st.builds(ReceiverReport, words, some),
    st.builds(Description, words, texts),
    st.builds(Goodbye, st.lists(words, max_size=31).map(tuple), texts),
)


@given(st.lists(packets, min_size=1, max_size=4))
def test_what_is_written_is_read(compound: list[Rtcp]) -> None:
    data = build(compound)
    assert parse(data) == compound
    assert is_rtcp(data)


def test_a_receiver_report_with_a_description_is_read() -> None:
    """RR with one block, then SDES with CNAME and TOOL, laid out by hand after §6.4.2 and §6.5."""
    data = bytes.fromhex(
        "81c90007" "1a2b3c4d" "0000abcd" "05ffffff" "00010002" "00000010" "11112222" "00008000"
        "81ca0005" "1a2b3c4d" "0105616c696365" "0603616263" "00000000"
    )  # fmt: skip
    block = ReportBlock(0xABCD, 5, -1, 0x10002, 16, 0x11112222, 0x8000)
    assert parse(data) == [
        ReceiverReport(0x1A2B3C4D, (block,)),
        Description(0x1A2B3C4D, "alice"),
    ]


def test_packets_of_other_types_are_passed_over() -> None:
    picture_loss = bytes.fromhex("81ce00020000000100000002")
    assert parse(picture_loss + build([ReceiverReport(7)])) == [ReceiverReport(7)]


@pytest.mark.parametrize(
    "data,why",
    [
        (b"", "empty"),
        (b"\x80\xc9\x00", "header"),
        (b"\x40\xc9\x00\x00", "version 1"),
        (b"\x80\x08\x00\x00", "type 8"),
        (b"\x80\xc9\x00\x05abcd", "longer"),
        (b"\x81\xc9\x00\x01abcd", "cut off"),
        (b"\x80\xc8\x00\x01abcd", "cut off"),
        (b"\xa0\xc9\x00\x01\x00\x00\x00\x09", "padding of 9"),
        (b"\xa0\xc9\x00\x01\x00\x00\x00\x00", "padding of 0"),
        (b"\x81\xca\x00\x02abcd\x01\x09ab", "cut off"),
        (b"\x82\xcb\x00\x01abcd", "cut off"),
    ],
)
def test_what_breaks_the_format_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MalformedReport, match=why):
        parse(data)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read(data: bytes) -> None:
    try:
        parse(data)
    except MalformedReport as error:
        assert str(error)  # noqa: PT017 - either is right


@given(st.lists(packets, min_size=1, max_size=3), st.data())
def test_damage_is_refused_or_read(compound: list[Rtcp], data: st.DataObject) -> None:
    octets = bytearray(build(compound))
    for _ in range(3):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
    except MalformedReport as error:
        assert str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize("name", ["x" * 256, "字" * 86])
def test_texts_that_are_too_long_are_our_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="255 octets"):
        build([Description(1, name)])


def test_text_that_is_no_utf8_is_read_and_can_be_written_again() -> None:
    """The fuzzer's finding: a replacement for each of its octets would be 765 octets long."""
    reason = b"ok" + b"\xff" * 253
    body = b"\0\0\0\1" + bytes((len(reason),)) + reason
    (read,) = parse(struct.pack("!BBH", 0x81, 203, len(body) // 4) + body)
    assert read == Goodbye((1,), "ok")
    assert parse(build([read])) == [read]
