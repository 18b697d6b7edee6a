"""Which codecs are offered, read and answered, and under which clocks keys are pressed."""

import pytest

from telephony.sip.audio_formats import OURS, AudioFormat, events_beside, ordered
from telephony.sip.offer_answer import SdpError, build_answer, build_offer, parse_audio

ALL = ("PCMA", "PCMU", "G722", "opus")


def offer(*lines: str) -> str:
    head = ["v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", "c=IN IP4 10.0.0.1", "t=0 0"]
    return "\r\n".join([*head, *lines, ""])


def answer(sdp: str, *preferred: str) -> tuple[list[str], AudioFormat]:
    lines, chosen = build_answer(
        sdp, host="10.0.0.2", port=20000, preferred=preferred, session_id=1, version=1
    )
    return lines.splitlines(), chosen


BROWSERS = offer(
    "m=audio 4000 RTP/AVP 111 9 8 110 126 13",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
    "a=rtpmap:13 CN/8000",
)


def test_wide_codecs_are_read_with_their_clocks() -> None:
    audio = parse_audio(BROWSERS)
    assert [(entry.name, entry.payload_type, entry.clock_rate) for entry in audio.formats] == [
        ("opus", 111, 48000),
        ("G722", 9, 8000),  # RFC 3551 §4.5.2
        ("PCMA", 8, 8000),
    ]
    assert (audio.telephone_event, audio.comfort_noise) == (110, 13)


def test_an_answer_has_the_keys_of_its_codecs_clock() -> None:
    lines, chosen = answer(BROWSERS, "opus", "PCMA")
    assert chosen.payload_type == 111
    assert lines[5:] == [
        "m=audio 20000 RTP/AVP 111 110",  # no comfort noise beside Opus, which has its own
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",  # what we like, not what the offer said
        "a=rtpmap:110 telephone-event/48000",
        "a=fmtp:110 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    lines, _ = answer(BROWSERS, "G722", "PCMA")
    assert lines[5:10] == [
        "m=audio 20000 RTP/AVP 9 13 126",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:126 0-15",
    ]


def test_keys_that_count_by_8000_beside_opus_are_taken_as_they_are() -> None:
    opus = OURS["opus"]
    assert events_beside(opus, [(8000, 101)]) == ((8000, 101),)
    assert events_beside(opus, [(8000, 101), (48000, 102)]) == ((48000, 102),)
    assert events_beside(OURS["PCMA"], [(48000, 102)]) == ()
    assert events_beside(opus, []) == ()


def test_an_offer_of_everything_reads_back() -> None:
    sdp = build_offer(host="10.0.0.2", port=20000, formats=ordered(ALL), session_id=1, version=1)
    assert "m=audio 20000 RTP/AVP 8 0 9 107 101 102\r\n" in sdp
    audio = parse_audio(sdp)
    assert audio.formats == tuple(OURS.values())
    assert audio.events == ((8000, 101), (48000, 102))


@pytest.mark.parametrize(
    "callers, offered",
    [
        ((), ALL),
        (("PCMU", "PCMA"), ("PCMU", "PCMA")),
        (("opus", "G722", "PCMU"), ("opus", "G722", "PCMU", "PCMA")),
        (("G722",), ("G722", "PCMA", "PCMU")),
    ],
)
def test_a_phone_is_offered_what_its_partner_has_and_g711(
    callers: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    assert tuple(entry.name for entry in ordered(ALL, first=callers)) == offered


def test_what_is_not_installed_is_not_offered_nor_answered() -> None:
    assert [entry.name for entry in ordered(("PCMA", "PCMU"), first=("opus", "PCMU"))] == [
        "PCMU",
        "PCMA",
    ]
    with pytest.raises(SdpError, match="in common"):
        answer(offer("m=audio 4000 RTP/AVP 9"), "PCMA", "PCMU")


@pytest.mark.parametrize(
    "line", ["a=rtpmap:96 opus/48000", "a=rtpmap:96 opus/8000/2", "a=rtpmap:96 G722/16000"]
)
def test_a_codec_with_a_clock_it_cannot_have_is_none_of_ours(line: str) -> None:
    with pytest.raises(SdpError):
        parse_audio(offer("m=audio 4000 RTP/AVP 96", line))
