"""Secured streams (RTP/SAVP with keys, RFC 4568) in offers and answers."""

import pytest

from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import LocalDescription, SdpError, build_offer, parse_audio
from telephony.sip.sdes import SUITES, Crypto

HERS, OURS = bytes(30), bytes(range(30))
PCMA = (AudioFormat("PCMA", 8),)


def offer(key: bytes | None = HERS) -> str:
    return build_offer(host="192.0.2.1", port=4000, formats=PCMA, session_id=1, version=0, key=key)


def local(key: bytes | None = OURS) -> LocalDescription:
    return LocalDescription(7, key=key)


def answer(to: str, own: LocalDescription) -> str:
    return own.answer(to, host="192.0.2.9", port=20000, preferred=("PCMA",))[0]


def test_a_secured_offer_is_answered_with_our_key_and_its_tag() -> None:
    audio = parse_audio(offer())
    assert audio.protocol == "RTP/SAVP"
    assert audio.crypto is not None
    assert (audio.crypto.tag, audio.crypto.suite, audio.crypto.key) == (1, SUITES[0], HERS)
    ours = parse_audio(answer(offer(), local()))
    assert ours.crypto is not None
    assert (ours.crypto.tag, ours.crypto.suite, ours.crypto.key) == (1, SUITES[0], OURS)
    assert ours.protocol == "RTP/SAVP"


def test_the_first_way_that_we_know_is_taken() -> None:
    unknown = offer().replace(SUITES[0], "F8_128_HMAC_SHA1_80")
    ours = parse_audio(answer(unknown, local()))
    assert ours.crypto is not None
    assert (ours.crypto.tag, ours.crypto.suite) == (2, SUITES[1])


def test_aes_gcm_is_taken_with_its_shorter_key() -> None:
    written = Crypto(3, "AEAD_AES_128_GCM", HERS[:28]).to_line()
    lines = [line for line in offer().split("\r\n") if not line.startswith("a=crypto")]
    gcm = "\r\n".join([*lines[:-1], written, ""])
    ours = parse_audio(answer(gcm, local())).crypto
    assert ours == Crypto(3, "AEAD_AES_128_GCM", OURS[:28])
    assert "GCM" not in offer()


def test_the_key_stays_over_re_invites() -> None:
    own = local()
    first = answer(offer(), own)
    assert answer(offer(), own) == first
    again = own.offer(host="192.0.2.9", port=20000, formats=PCMA, secured=True)
    crypto = parse_audio(again).crypto
    assert crypto is not None
    assert crypto.key == OURS


def test_what_is_not_secured_stays_so() -> None:
    assert parse_audio(offer(None)).crypto is None
    assert "crypto" not in answer(offer(None), local())


def test_keys_beside_plain_rtp_secure_nothing() -> None:
    best_effort = offer().replace("RTP/SAVP", "RTP/AVP")
    assert parse_audio(best_effort).crypto is None
    assert "crypto" not in answer(best_effort, local())


@pytest.mark.parametrize("spoiled", ["inline:short", "uri:x"])
def test_a_secured_stream_without_a_usable_key_is_refused(spoiled: str) -> None:
    lines = [
        line.partition("inline:")[0] + spoiled if line.startswith("a=crypto") else line
        for line in offer().split("\r\n")
    ]
    with pytest.raises(SdpError, match="RTP/SAVP"):
        parse_audio("\r\n".join(lines))


def test_who_has_no_key_refuses() -> None:
    with pytest.raises(SdpError, match="no key"):
        answer(offer(), local(None))
