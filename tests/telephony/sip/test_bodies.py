"""RFC 3204's example and its kin: what a description may be surrounded by."""

import pytest
from aiosipua import SipRequest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.bodies import MOST_PARTS, READ, is_unreadable, sdp_of
from telephony.sip.screening import objection
from tests.telephony.sip.usage import ANSWER, OFFER, request

ISUP = "Content-Type: application/ISUP; version=nxv3;\r\n base=etsi121\r\n"
BINARY = "\x01\x00\x49\r\n\r\n\x00\x00"
MIXED = 'multipart/mixed; boundary="unique-boundary-1"'


def mixed(*parts: str, boundary: str = "unique-boundary-1", last: str = "--\r\n") -> str:
    """Join parts, each with its headers, an empty line and its octets."""
    lines = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f"{lines}--{boundary}{last}"


def invite(body: str, *, kind: str = MIXED, disposition: str | None = None) -> SipRequest:
    headers = [("Content-Type", kind)]
    if disposition:
        headers.append(("Content-Disposition", disposition))
    return request("INVITE", to_tag=None, body=body, headers=headers)


def described(sdp: str = OFFER, *, kind: str = "application/SDP; charset=ISO-10646") -> str:
    return f"Content-Type: {kind}\r\n\r\n{sdp}"


def beside(disposition: str) -> str:
    return f"{ISUP}{disposition}\r\n{BINARY}"


@pytest.mark.parametrize(
    "disposition",
    ["Content-Disposition: signal; handling=optional\r\n", "Content-Disposition: signal\r\n", ""],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_description_beside_the_carriers_own_signalling_is_read(
    disposition: str, *, first: bool
) -> None:
    parts = (described(), beside(disposition))
    message = invite(mixed(*(parts if first else reversed(parts))))
    assert sdp_of(message) == OFFER
    assert objection(message) is None


def test_who_insists_on_what_we_cannot_read_is_refused() -> None:
    part = beside("Content-Disposition: signal;\r\n handling=REQUIRED\r\n")
    refusal = objection(invite(mixed(described(), part)))
    assert refusal is not None
    assert (refusal.status, READ in refusal.headers) == (415, True)
    assert READ == ("Accept", "application/sdp, multipart/mixed")


def test_a_call_whose_parts_describe_nothing_is_one_without_an_offer() -> None:
    message = invite(mixed(beside(""), beside("")))
    assert sdp_of(message) is None
    assert objection(message) is None


@pytest.mark.parametrize(
    "kind, disposition, refused",
    [
        ("application/isup", None, True),
        ("application/isup", "signal; handling=optional", False),
        ("application/sdp; charset=utf-8", None, False),
        ("multipart/mixed", None, True),  # no boundary: nothing can be found in it
        ("multipart/mixed; boundary=another", None, True),
    ],
)
def test_a_body_that_stands_alone(kind: str, disposition: str | None, *, refused: bool) -> None:
    message = invite(mixed(described()), kind=kind, disposition=disposition)
    assert is_unreadable(message) is refused


def nested(*parts: str, boundary: str = "inner") -> str:
    return (
        f"Content-Type: multipart/alternative; boundary={boundary}\r\n\r\n"
        f"{mixed(*parts, boundary=boundary)}"
    )


def test_a_description_in_a_part_of_a_part_is_read() -> None:
    message = invite(mixed(beside(""), nested("Content-Type: text/plain\r\n\r\nx", described())))
    assert sdp_of(message) == OFFER
    assert objection(message) is None


BASE64 = "application/sdp\r\nContent-Transfer-Encoding: base64"


@pytest.mark.parametrize(
    "part",
    [
        nested(nested(described(), boundary="innermost")),  # too deep
        "Content-Type: multipart/alternative\r\n\r\nx",
        described("dj0wDQo=", kind=BASE64),
    ],
)
def test_where_a_description_may_be_that_is_not_found_there_is_no_call_without_one(
    part: str,
) -> None:
    message = invite(mixed(beside(""), part))
    assert sdp_of(message) is None
    assert is_unreadable(message)
    readable = invite(mixed(part, described()))
    assert sdp_of(readable) == OFFER
    assert not is_unreadable(readable)


def test_encodings_that_change_nothing() -> None:
    for encoding in ("7bit", "8BIT", "binary"):
        kind = f"application/sdp\r\nContent-Transfer-Encoding: {encoding}"
        assert sdp_of(invite(mixed(beside(""), described(kind=kind)))) == OFFER


def test_a_description_of_early_media_is_not_the_sessions() -> None:
    early = described(ANSWER, kind="application/sdp\r\nContent-Disposition: early-session")
    session = described(kind="application/sdp\r\nContent-Disposition: Session; handling=required")
    message = invite(mixed(early, session))
    assert sdp_of(message) == OFFER
    assert not is_unreadable(message)
    assert sdp_of(invite(mixed(early, beside("")))) is None


def test_boundaries_as_they_are_written() -> None:
    plain = "multipart/mixed;charset=x; Boundary=a.b+c"
    assert sdp_of(invite("preamble\r\n" + mixed(described(), boundary="a.b+c"), kind=plain)) == (
        OFFER
    )
    # a line that only begins like a boundary is none; a last one that is missing ends nothing
    inside = OFFER + "a=x\r\n--unique-boundary-12\r\n"
    assert sdp_of(invite(mixed(described(inside)))) == inside
    assert sdp_of(invite(f"--unique-boundary-1\r\n{described()}")) == OFFER
    assert sdp_of(invite(mixed("no headers", described(), last="--\r\nepilogue"))) == OFFER
    # what stands behind the last boundary is nothing
    assert sdp_of(invite(mixed(beside("")) + mixed(described()))) is None


def test_of_two_descriptions_the_first_counts_and_parts_have_an_end() -> None:
    assert sdp_of(invite(mixed(described(OFFER), described(ANSWER)))) == OFFER
    assert sdp_of(invite(mixed(*[beside("")] * (MOST_PARTS - 1), described()))) == OFFER
    assert sdp_of(invite(mixed(*[beside("")] * MOST_PARTS, described()))) is None


PIECES = [
    *("--b", "--c", "--", "\r\n", "\n", "\r", " ", "Content-Type:", "x", ":"),
    "\r\n--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n",
]


@given(
    st.lists(st.sampled_from(PIECES)),
    st.sampled_from(["multipart/mixed; boundary=b", 'multipart/x;boundary="b"', "multipart/mixed"]),
)
def test_any_body_is_read_or_not(pieces: list[str], kind: str) -> None:
    message = invite("".join(pieces), kind=kind)
    text = sdp_of(message)
    assert text is None or text in message.text
    assert is_unreadable(message) in {True, False}
