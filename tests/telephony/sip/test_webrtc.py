"""Descriptions of browsers: ICE, DTLS, one port, one bundle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import LocalDescription, SdpError, parse_audio
from telephony.sip.webrtc import OwnWebRtc, read_webrtc

HERS = ":".join(["AB"] * 32)
OURS = ":".join(["CD"] * 32)
PCMA = (AudioFormat("PCMA", 8),)

# What Chromium writes for a microphone, its further codecs, candidates and extensions left out.
CHROMIUM = f"""\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:842163049 1 udp 1677729535 0b7c.local 46154 typ host generation 0 network-cost 999
a=ice-ufrag:EEtu
a=ice-pwd:2jPPfxbxQa6aJaC3Vu6Vv5m9
a=ice-options:trickle
a=fingerprint:sha-256 {HERS}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:stream track
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1804126431 cname:Y2sgZGVz
""".replace("\n", "\r\n")


def own() -> OwnWebRtc:
    return OwnWebRtc(OURS, b"seed")


def local(webrtc: OwnWebRtc | None = None) -> LocalDescription:
    return LocalDescription(7, key=bytes(30), webrtc=webrtc or own())


def answer(offer: str, to: LocalDescription) -> str:
    return to.answer(offer, host="192.0.2.9", port=20000, preferred=("PCMA",))[0]


def test_what_chromium_offers_is_read() -> None:
    audio = parse_audio(CHROMIUM)
    assert audio.is_listening, "0.0.0.0 is no hold where ICE finds the address"
    assert audio.events == ((48000, 110), (8000, 126))
    assert audio.webrtc is not None
    assert audio.webrtc.fingerprints == {"sha-256": HERS}
    assert (audio.webrtc.setup, audio.webrtc.ufrag) == ("actpass", "EEtu")
    assert (audio.webrtc.mid, audio.webrtc.bundled) == ("0", True)


def test_its_offer_is_answered_in_kind() -> None:
    lines = answer(CHROMIUM, local()).split("\r\n")
    assert "m=audio 20000 UDP/TLS/RTP/SAVPF 8 13 126" in lines
    assert lines.index("a=ice-lite") < lines.index("m=audio 20000 UDP/TLS/RTP/SAVPF 8 13 126")
    for line in (
        "a=group:BUNDLE 0",
        "a=mid:0",
        "a=rtcp-mux",
        "a=setup:passive",
        f"a=fingerprint:sha-256 {OURS}",
        "a=candidate:1 1 udp 2130706431 192.0.2.9 20000 typ host",
        "a=end-of-candidates",
    ):
        assert line in lines
    read = parse_audio("\r\n".join(lines))
    assert read.webrtc is not None
    assert read.webrtc.setup == "passive"


def test_our_offer_can_be_answered_by_one_of_ours() -> None:
    ours, hers = local(), local(OwnWebRtc(HERS, b"another"))
    offer = ours.offer(host="192.0.2.9", port=20000, formats=PCMA, browser=True)
    assert "a=setup:actpass" in offer
    read = parse_audio(answer(offer, hers))
    assert read.webrtc is not None
    assert ours.webrtc is not None
    assert hers.webrtc is not None
    ours.webrtc.meet(read.webrtc)
    assert (hers.webrtc.role, ours.webrtc.role) == ("server", "client")
    assert read.webrtc.ufrag == hers.webrtc.credentials[0]
    assert ours.webrtc.credentials != hers.webrtc.credentials


def test_a_phone_is_offered_dtls_without_ice() -> None:
    ours, theirs = local(), local(OwnWebRtc(HERS, b"another"))
    offer = ours.offer(host="192.0.2.9", port=20000, formats=PCMA, secured=True, dtls=True)
    assert "m=audio 20000 UDP/TLS/RTP/SAVP 8" in offer
    assert "a=setup:actpass" in offer
    for word in ("ice", "candidate", "BUNDLE", "a=mid", "crypto"):
        assert word not in offer
    read = parse_audio(answer(offer, theirs))
    assert read.host == "192.0.2.9"
    assert read.webrtc is not None
    assert (read.webrtc.setup, read.webrtc.ufrag) == ("passive", None)
    assert read.webrtc.fingerprints == {"sha-256": HERS}


def test_a_leg_stays_what_it_is_until_ice_is_restarted() -> None:
    webrtc = own()
    leg = local(webrtc)
    first = answer(CHROMIUM, leg)
    credentials = webrtc.credentials
    assert answer(CHROMIUM, leg) == first
    held = answer(CHROMIUM.replace("a=sendrecv", "a=sendonly"), leg)
    assert "a=recvonly" in held
    assert webrtc.credentials == credentials
    restarted = CHROMIUM.replace("EEtu", "FFvw").replace("2jPPfx", "3kQQgy")
    answered = answer(restarted, leg)
    assert webrtc.credentials[0] in answered
    assert webrtc.credentials != credentials
    assert webrtc.role == "server"
    offered = leg.offer(host="192.0.2.9", port=20000, formats=PCMA, browser=True)
    assert f"a=ice-ufrag:{webrtc.credentials[0]}" in offered


def test_a_held_leg_is_sent_nothing() -> None:
    audio = parse_audio(CHROMIUM.replace("a=sendrecv", "a=sendonly"))
    assert not audio.is_listening


def test_a_phone_without_ice_gets_none() -> None:
    lines = [
        line
        for line in CHROMIUM.replace("0.0.0.0", "192.0.2.1").split("\r\n")
        if not line.startswith(("a=ice", "a=candidate", "a=mid", "a=group"))
    ]
    answered = answer("\r\n".join(lines), local())
    assert "a=ice" not in answered
    assert "a=candidate" not in answered
    assert "a=mid" not in answered
    assert "a=setup:passive" in answered


def test_a_server_makes_us_the_client() -> None:
    webrtc = own()
    assert "a=setup:active" in answer(CHROMIUM.replace("actpass", "passive"), local(webrtc))
    assert webrtc.role == "client"


@pytest.mark.parametrize(
    "without,instead",
    [
        ("a=rtcp-mux\r\n", ""),
        (f"a=fingerprint:sha-256 {HERS}\r\n", ""),
        (HERS, "no digest"),
        ("actpass", "holdconn"),
        ("a=ice-pwd:2jPPfxbxQa6aJaC3Vu6Vv5m9\r\n", "a=ice-pwd:short\r\n"),
        ("UDP/TLS/RTP/SAVPF", "DTLS/SCTP"),
    ],
)
def test_what_we_cannot_take_part_in_is_refused(without: str, instead: str) -> None:
    assert without in CHROMIUM
    with pytest.raises(SdpError):
        parse_audio(CHROMIUM.replace(without, instead))


def test_without_a_certificate_there_is_no_answer() -> None:
    with pytest.raises(SdpError):
        answer(CHROMIUM, LocalDescription(7))


def test_secrets_stay_out_of_logs() -> None:
    audio = parse_audio(CHROMIUM)
    assert "2jPPfx" not in repr(audio.webrtc)
    assert "seed" not in repr(own())


names = st.sampled_from(
    ["fingerprint", "setup", "mid", "ice-ufrag", "ice-pwd", "rtcp-mux", "group"]
)
attributes = st.dictionaries(names, st.lists(st.text(max_size=80), min_size=1, max_size=3))


@given(attributes, attributes)
def test_any_attributes_are_read_or_passed_over(
    stream: dict[str, list[str]], session: dict[str, list[str]]
) -> None:
    read = read_webrtc(stream, session)
    if read is not None:
        webrtc = own()
        webrtc.meet(read)
        lines = webrtc.session_lines(read) + webrtc.stream_lines(read, "192.0.2.9", 20000)
        assert not any("\r" in line or "\n" in line for line in lines)
