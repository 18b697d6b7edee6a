import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import (
    Direction,
    LocalDescription,
    RemoteAudio,
    SdpError,
    _known,
    build_answer,
    build_offer,
    parse_audio,
)

A_LAW, MU_LAW = AudioFormat("PCMA", 8), AudioFormat("PCMU", 0)


def sdp(*media: str, connection: str = "c=IN IP4 10.0.0.1") -> str:
    head = ["v=0", "o=- 5 7 IN IP4 10.0.0.1", "s=-", *filter(None, [connection]), "t=0 0"]
    return "\r\n".join([*head, *media, ""])


@pytest.mark.parametrize("secret", ["", "a=crypto:1 X inline:abc", "a=ice-pwd:secret"])
def test_what_holds_no_secret_is_read_once(secret: str) -> None:
    described = sdp("m=audio 20000 RTP/AVP 8", f"a=x-once:{secret}", *filter(None, [secret]))
    before = _known.cache_info()
    assert parse_audio(described) == parse_audio(described)
    build_answer(described, host="10.0.0.2", port=4000, preferred=["PCMA"], session_id=1, version=1)
    after = _known.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (
        (0, 0) if secret else (1, 2)
    )


def test_a_trunks_offer_is_read() -> None:
    offer = sdp(
        "m=audio 20000 RTP/AVP 0 8 18 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000/1",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    )
    assert parse_audio(offer) == RemoteAudio(
        host="10.0.0.1",
        port=20000,
        formats=(MU_LAW, A_LAW),
        telephone_event=101,
        direction="sendrecv",
        ptime=20,
    )


def test_static_payload_types_need_no_map_and_dynamic_ones_do() -> None:
    assert parse_audio(sdp("m=audio 4000 RTP/AVP 8")).formats == (A_LAW,)
    dynamic = parse_audio(
        sdp("m=audio 4000 RTP/AVP 97 98", "a=rtpmap:98 pcma/8000", "a=rtpmap:97 speex/8000")
    )
    assert dynamic.formats == (AudioFormat("PCMA", 98),)


def test_the_streams_own_address_and_direction_win() -> None:
    offer = sdp("a=sendrecv", "m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::1", "a=inactive")
    audio = parse_audio(offer)
    assert (audio.host, audio.direction) == ("2001:db8::1", "inactive")


def test_the_sessions_direction_holds_where_the_stream_says_none() -> None:
    assert parse_audio(sdp("a=sendonly", "m=audio 4000 RTP/AVP 8")).direction == "sendonly"


@pytest.mark.parametrize(
    "direction, seen",
    [
        ("sendrecv", "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ],
)
def test_hold_the_old_way(direction: str, seen: str) -> None:
    offer = sdp("m=audio 4000 RTP/AVP 8", f"a={direction}", connection="c=IN IP4 0.0.0.0")
    audio = parse_audio(offer)
    assert (audio.host, audio.direction) == ("0.0.0.0", seen)


@pytest.mark.parametrize("value, ptime", [("30", 30), ("0", 20), ("x", 20), ("", 20), ("9999", 20)])
def test_packet_times(value: str, ptime: int) -> None:
    assert parse_audio(sdp("m=audio 4000 RTP/AVP 8", f"a=ptime:{value}")).ptime == ptime


def test_the_first_stream_that_can_be_used_is_taken() -> None:
    offer = sdp(
        "m=video 5000 RTP/AVP 96",
        "m=audio 0 RTP/AVP 8",
        "m=audio 4000 RTP/SAVP 8",
        "m=audio 4002 RTP/AVP 18",
        "m=audio 4004 RTP/AVP 8",
    )
    assert parse_audio(offer).port == 4004


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "hello",
        "v=1\r\nm=audio 4000 RTP/AVP 8",
        sdp(),
        sdp("m=audio 0 RTP/AVP 8"),
        sdp("m=audio 4000 RTP/AVP 18"),
        sdp("m=audio 4000 RTP/SAVP 8"),
        sdp("m=audio 70000 RTP/AVP 8"),
        sdp("m=audio -5 RTP/AVP 8"),
        sdp("m=audio 4000/2 RTP/AVP 8"),
        sdp("m=audio x RTP/AVP 8"),
        sdp("m=audio 4000 RTP/AVP"),
        sdp("m=audio 4000 RTP/AVP 98", "a=rtpmap:98 PCMA/16000"),
        sdp("m=audio 4000 RTP/AVP 98", "a=rtpmap:98 PCMA/8000/2"),
        sdp("m=audio 4000 RTP/AVP 198", "a=rtpmap:198 PCMA/8000"),
        sdp("m=audio 4000 RTP/AVP 8", "a=rtpmap:x PCMA/8000"),
        sdp("m=audio 4000 RTP/AVP 8", connection=""),
        sdp("m=audio 4000 RTP/AVP 8", connection="c=IN IP4"),
        sdp("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 host.example"),
        sdp("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 224.2.1.1/127"),
        sdp("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 224.2.1.1"),
        sdp("m=audio 4000 RTP/AVP 8", connection="c=TN RFC2543 10.0.0.1"),
    ],
)
def test_what_we_cannot_talk_to_is_refused(broken: str) -> None:
    with pytest.raises(SdpError):
        parse_audio(broken)


lines = st.sampled_from(
    ["v=0", "v=", "o=- 1 1 IN IP4 1.2.3.4", "s=-", "t=0 0", "t=x y", "c=IN IP4 1.2.3.4",
     "c=IN IP4 0.0.0.0", "c=IN IP6 ::1", "c=", "m=audio 4000 RTP/AVP 8", "m=", "m=audio",
     "m=audio 4000 RTP/AVP 8 x", "m=audio 99999 RTP/AVP 0", "a=rtpmap:8 PCMA/8000", "a=rtpmap:8",
     "a=rtpmap: /", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=ptime", "a=sendonly",
     "b=AS:x"]
)  # fmt: skip


@given(st.lists(lines | st.text(max_size=30), max_size=12).map("\r\n".join) | st.text())
def test_any_text_is_usable_or_refused(text: str) -> None:
    try:
        audio = parse_audio(text)
    except SdpError:
        return
    assert 0 < audio.port < 65536
    assert audio.formats
    assert all(0 <= format_.payload_type <= 127 for format_ in audio.formats)
    assert 0 < audio.ptime < 1000


# Offers


def test_an_offer() -> None:
    assert build_offer(
        host="10.0.0.2", port=20002, formats=(A_LAW, MU_LAW), session_id=7, version=3
    ) == (
        "v=0\r\n"
        "o=- 7 3 IN IP4 10.0.0.2\r\n"
        "s=-\r\n"
        "c=IN IP4 10.0.0.2\r\n"
        "t=0 0\r\n"
        "m=audio 20002 RTP/AVP 8 0 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n"
        "a=ptime:20\r\n"
        "a=sendrecv\r\n"
    )


def test_an_offer_without_key_presses_over_ipv6() -> None:
    offer = build_offer(
        host="::1", port=20002, formats=(A_LAW,), session_id=7, version=3, telephone_event=None
    )
    audio = parse_audio(offer)
    assert (audio.host, audio.telephone_event) == ("::1", None)


@given(
    st.ip_addresses().filter(lambda host: not host.is_multicast and not host.is_unspecified),
    st.integers(1, 65535),
    st.permutations([A_LAW, MU_LAW, AudioFormat("PCMA", 98)]).map(tuple),
    st.none() | st.integers(99, 127),
    st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
)
def test_an_offer_reads_back(
    host: object,
    port: int,
    formats: tuple[AudioFormat, ...],
    telephone_event: int | None,
    direction: Direction,
) -> None:
    offer = build_offer(
        host=str(host),
        port=port,
        formats=formats,
        session_id=1,
        version=1,
        telephone_event=telephone_event,
        direction=direction,
    )
    assert parse_audio(offer) == RemoteAudio(
        str(host), port, formats, telephone_event, direction, 20
    )


# Answers


def answer(offer: str, preferred: tuple[str, ...] = ("PCMA", "PCMU")) -> tuple[str, AudioFormat]:
    return build_answer(
        offer, host="10.0.0.2", port=20002, preferred=preferred, session_id=7, version=3
    )


def test_an_answer_takes_our_favourite_under_the_peers_payload_types() -> None:
    offer = sdp(
        "m=audio 4000 RTP/AVP 0 98 96",
        "a=rtpmap:98 PCMA/8000",
        "a=rtpmap:96 telephone-event/8000",
    )
    text, chosen = answer(offer)
    assert chosen == AudioFormat("PCMA", 98)
    assert text == (
        "v=0\r\n"
        "o=- 7 3 IN IP4 10.0.0.2\r\n"
        "s=-\r\n"
        "c=IN IP4 10.0.0.2\r\n"
        "t=0 0\r\n"
        "m=audio 20002 RTP/AVP 98 96\r\n"
        "a=rtpmap:98 PCMA/8000\r\n"
        "a=rtpmap:96 telephone-event/8000\r\n"
        "a=fmtp:96 0-15\r\n"
        "a=ptime:20\r\n"
        "a=sendrecv\r\n"
    )
    assert answer(offer, ("PCMU", "PCMA"))[1] == MU_LAW


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP"])
@pytest.mark.parametrize("muxed", [False, True])
def test_one_port_for_both_is_answered_to_who_offers_it(protocol: str, *, muxed: bool) -> None:
    lines = ["a=rtcp-mux"] if muxed else []
    key = base64.b64encode(bytes(30)).decode()
    if protocol == "RTP/SAVP":
        lines.append(f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}")
    offer = sdp(f"m=audio 4000 {protocol} 8", *lines)
    assert parse_audio(offer).muxed is muxed
    answer, _ = build_answer(
        offer,
        host="10.0.0.2",
        port=6000,
        preferred=["PCMA"],
        session_id=1,
        version=1,
        key=bytes(30),
    )
    assert parse_audio(answer).muxed is muxed
    assert parse_audio(answer).protocol == protocol


def test_other_streams_are_rejected_in_their_places() -> None:
    offer = sdp(
        "m=video 5000 RTP/AVP 96 97",
        "m=audio 4000 RTP/AVP 8",
        "m=image 5002 udptl t38",
        "m=audio 4002 RTP/AVP 8",
    )
    text, _ = answer(offer)
    assert [line for line in text.splitlines() if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96 97",
        "m=audio 20002 RTP/AVP 8",
        "m=image 0 udptl t38",
        "m=audio 0 RTP/AVP 8",
    ]


@pytest.mark.parametrize(
    "offered, answered",
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_directions_are_mirrored(offered: str, answered: str) -> None:
    text, _ = answer(sdp("m=audio 4000 RTP/AVP 8", f"a={offered}"))
    assert parse_audio(text).direction == answered


def test_hold_the_old_way_is_answered_with_listening() -> None:
    held = sdp("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 0.0.0.0")
    assert parse_audio(answer(held)[0]).direction == "recvonly"


def test_nothing_that_we_prefer_is_refused() -> None:
    with pytest.raises(SdpError):
        answer(sdp("m=audio 4000 RTP/AVP 0"), ("PCMA",))


# Versions


def test_the_version_grows_only_with_a_change() -> None:
    ours = LocalDescription(9)

    def offer(port: int) -> str:
        return ours.offer(host="10.0.0.2", port=port, formats=(A_LAW,))

    first = offer(20002)
    assert "o=- 9 0 " in first
    assert offer(20002) == first
    assert "o=- 9 1 " in offer(20004)
    assert "o=- 9 1 " in offer(20004)
    theirs = sdp("m=audio 4000 RTP/AVP 8", "a=inactive")
    text, _ = ours.answer(theirs, host="10.0.0.2", port=20004, preferred=("PCMA",))
    assert "o=- 9 2 " in text
    assert ours.answer(theirs, host="10.0.0.2", port=20004, preferred=("PCMA",))[0] == text
