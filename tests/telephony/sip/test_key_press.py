import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.invite_usage import Reply, Tell
from telephony.sip.key_press import LONGEST_MS, KeyPress, got_info, parse_key_press
from telephony.sip.leg_events import LegDigit
from tests.telephony.sip.usage import request

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"


@pytest.mark.parametrize(
    "kind, body, press",
    [
        (RELAY, "Signal=5\r\nDuration=160\r\n", KeyPress("5", 160)),
        (RELAY, "Signal= #\r\nDuration= 100", KeyPress("#", 100)),
        (RELAY, "signal=10\nduration=x", KeyPress("*")),
        (RELAY, "Signal=d\r\nDuration=99999999", KeyPress("D")),
        (RELAY, "Signal=1\r\nDuration=60000", KeyPress("1", LONGEST_MS)),
        (RELAY, "Duration=160\r\n", None),
        (RELAY, "Signal=55\r\n", None),
        (PLAIN, "5", KeyPress("5")),
        (PLAIN, "*\r\n", KeyPress("*")),
        (PLAIN, "11", KeyPress("#")),
        (PLAIN, "Signal=3", KeyPress("3")),
        (PLAIN, "hello", None),
    ],
)
def test_keys(kind: str, body: str, press: KeyPress | None) -> None:
    info = request("INFO", headers=[("Content-Type", kind)], body=body)
    assert parse_key_press(info) == press
    if press is None:
        assert got_info(info) == [Reply(info, 400, "No key in it")]
    else:
        event = LegDigit(press.key, press.milliseconds)
        assert got_info(info) == [Reply(info, 200), Tell(event)]


def test_what_else_info_may_carry() -> None:
    empty = request("INFO")
    assert got_info(empty) == [Reply(empty, 200)]
    picture = request("INFO", headers=[("Content-Type", "application/media_control+xml")], body="x")
    accepted = (("Accept", RELAY), ("Accept", PLAIN))
    assert got_info(picture) == [Reply(picture, 415, headers=accepted)]
    package = request("INFO", headers=[("Info-Package", "conference")])
    assert got_info(package) == [Reply(package, 469, headers=(("Recv-Info", ""),))]


@given(st.sampled_from([RELAY, PLAIN]), st.text(st.characters(codec="ascii"), max_size=40))
def test_any_body_is_a_key_or_refused(kind: str, body: str) -> None:
    press = parse_key_press(request("INFO", headers=[("Content-Type", kind)], body=body or "x"))
    assert press is None or (len(press.key) == 1 and 1 <= press.milliseconds <= LONGEST_MS)
