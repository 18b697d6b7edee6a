from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.ladder import Rung, draw

AT = 1_795_000_000.0
TRUNK, PHONE = "192.0.2.7:5060/UDP", "127.0.0.9:5070/TCP"
INVITE = (
    b"INVITE sip:12345@h SIP/2.0\r\nCall-ID: a@b\r\nCSeq: 7 INVITE\r\n\r\n"
    b"v=0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"
)


def rung(number: float, peer: str, line: str, *, inbound: bool, cseq: str = "1 INVITE") -> Rung:
    return Rung(AT + number, inbound, peer, line, cseq, "a")


def test_a_message_is_read_in_short() -> None:
    read = Rung.read(INVITE, at=AT, inbound=True, peer=TRUNK)
    assert (read.line, read.cseq, read.call_id, read.sdp) == (
        "INVITE sip:12345@h SIP/2.0",
        "7 INVITE",
        "a@b",
        "SDP sendonly",
    )
    assert read.label == "INVITE [SDP sendonly]"
    assert Rung.from_dict(read.to_dict()) == read


def test_the_ladder_of_a_call() -> None:
    drawn = draw(
        [
            rung(0, TRUNK, "INVITE sip:12345@h SIP/2.0", inbound=True),
            rung(0.01, PHONE, "INVITE sip:1001@p SIP/2.0", inbound=False),
            rung(1, PHONE, "SIP/2.0 180 Ringing", inbound=True),
            rung(1.5, TRUNK, "SIP/2.0 180 Ringing", inbound=False),
            rung(9, TRUNK, "BYE sip:hotline@h SIP/2.0", inbound=True, cseq="2 BYE"),
        ]
    )
    lines = drawn.splitlines()
    assert lines[0].split() == [TRUNK, "hotline", PHONE]
    assert lines[1] == "2026-11-18"
    names = [lines[0].index(name) for name in (TRUNK, "hotline", PHONE)]
    first, second, third, fourth, last = lines[2:]
    assert first.startswith("19:06:40.000")
    assert (first[names[0]], first[names[1] - 1]) == ("|", ">")
    assert " INVITE " in first
    assert (second[names[1]], second[names[2] - 1]) == ("|", ">")
    assert third[names[1] : names[1] + 2] == "|<"
    assert " 180 Ringing (INVITE) " in third
    assert fourth[names[0] : names[0] + 2] == "|<"
    assert " BYE " in last


def test_nothing_draws_nothing() -> None:
    assert draw([]) == ""


@given(st.binary(max_size=300))
def test_no_octets_break_the_reader(data: bytes) -> None:
    read = Rung.read(data, at=AT, inbound=True, peer=TRUNK)
    assert len(draw([read]).splitlines()) >= 3


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(["a:1", "b:2", "c:3", "d:4"]),
            st.text("xyz ", max_size=90),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_message_has_its_line_and_one_arrow_head(
    sent: list[tuple[bool, str, str]],
) -> None:
    rungs = [
        rung(number, peer, line, inbound=inbound)
        for number, (inbound, peer, line) in enumerate(sent)
    ]
    lines = draw(rungs).splitlines()
    assert len(lines) == 2 + len(rungs)
    for line in lines[2:]:
        assert line.count(">") + line.count("<") == 1
