"""The crypto attribute of session descriptions."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.sdes import (
    KEY_OCTETS,
    SUITES,
    Crypto,
    Suite,
    choose_crypto,
    key_for,
    read_crypto,
)

KEY = bytes(range(KEY_OCTETS))
WRITTEN = base64.b64encode(KEY).decode()


@given(
    st.integers(0, 10**9 - 1),
    st.sampled_from(SUITES),
    st.binary(min_size=KEY_OCTETS, max_size=KEY_OCTETS),
)
def test_what_is_written_is_read(tag: int, suite: Suite, key: bytes) -> None:
    crypto = Crypto(tag, suite, key_for(suite, key))
    assert read_crypto(crypto.to_line().removeprefix("a=crypto:")) == crypto


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}|2^31",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}|1048576 -x=1",
    ],
)
def test_what_we_can_do_is_taken(value: str) -> None:
    assert read_crypto(value) == Crypto(1, "AES_CM_128_HMAC_SHA1_80", KEY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 AES_CM_128_HMAC_SHA1_80",
        f"1 F8_128_HMAC_SHA1_80 inline:{WRITTEN}",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}",
        f"١ AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}",
        f"1 AES_CM_128_HMAC_SHA1_80 uri:{WRITTEN}",
        f"1 AEAD_AES_128_GCM inline:{WRITTEN}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN[:-4]}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:not base 64!",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN};inline:{WRITTEN}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{WRITTEN} UNENCRYPTED_SRTP",
    ],
)
def test_what_we_cannot_do_is_passed_over(value: str) -> None:
    assert read_crypto(value) is None
    good = f"2 AES_CM_128_HMAC_SHA1_32 inline:{WRITTEN}"
    assert choose_crypto([value, good]) == Crypto(2, "AES_CM_128_HMAC_SHA1_32", KEY)


@given(st.text(max_size=120))
def test_noise_is_passed_over(value: str) -> None:
    assert read_crypto(value) is None


def test_the_key_does_not_come_into_logs() -> None:
    assert repr(KEY) not in repr(Crypto(1, SUITES[0], KEY))
