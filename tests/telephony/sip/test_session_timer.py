"""RFC 4028: table 2 (who refreshes), the intervals, and when a session is given up."""

import pytest

from telephony.sip.invite_usage import Reply
from telephony.sip.session_timer import SessionPolicy, SessionTimer
from tests.telephony.sip.usage import invite, our_invite, response

Headers = list[tuple[str, str]]
POLICY = SessionPolicy(interval=600, minimum=100)
KNOWS = ("Supported", "100rel, timer")


def test_without_a_policy_nothing_is_said_and_nothing_runs() -> None:
    timer = SessionTimer(None)
    request = invite(headers=[KNOWS, ("Session-Expires", "1")])
    assert timer.request_headers() == timer.response_headers(request, 0.0) == ()
    assert timer.objection(request) is None
    timer.agreed(response(our_invite(), 200, headers=[("Session-Expires", "90")]), 0.0)
    assert not timer.refused(response(our_invite(), 422, headers=[("Min-SE", "9999")]))
    assert timer.deadline is None


@pytest.mark.parametrize(
    "headers, interval, role",
    [
        ([], 600, "uas"),
        ([("Session-Expires", "300;refresher=uas")], 300, "uas"),
        ([KNOWS], 600, "uac"),
        ([KNOWS, ("Session-Expires", "300")], 300, "uac"),
        ([KNOWS, ("Session-Expires", "300 ; Refresher = UAC")], 300, "uac"),
        ([KNOWS, ("Session-Expires", "300;refresher=uas")], 300, "uas"),
        ([KNOWS, ("x", "1200;refresher=uas")], 600, "uas"),
        ([KNOWS, ("Session-Expires", "1200"), ("Min-SE", "900")], 900, "uac"),
        ([KNOWS, ("Min-SE", "900")], 900, "uac"),
        ([("Session-Expires", "50")], 50, "uas"),
        ([KNOWS, ("Session-Expires", "soon")], 600, "uac"),
    ],
)
def test_what_we_answer(headers: Headers, interval: int, role: str) -> None:
    timer = SessionTimer(POLICY)
    said = timer.response_headers(invite(headers=headers), 0.0)
    assert ("Session-Expires", f"{interval};refresher={role}") in said
    assert (("Require", "timer") in said) == (role == "uac")
    assert timer.refresher == ("peer" if role == "uac" else "us")


@pytest.mark.parametrize(
    "headers, refused",
    [
        ([KNOWS, ("Session-Expires", "99")], True),
        ([KNOWS, ("x", "99")], True),
        ([KNOWS, ("Session-Expires", "100")], False),
        ([("Session-Expires", "99")], False),
        ([KNOWS], False),
    ],
)
def test_too_short_a_session_is_refused_to_who_understands_that(
    headers: Headers,
    refused: bool,  # noqa: FBT001
) -> None:
    request = invite(headers=headers)
    expected = Reply(request, 422, headers=(("Min-SE", "100"),)) if refused else None
    assert SessionTimer(POLICY).objection(request) == expected


@pytest.mark.parametrize(
    "said, refresh_at, expires_at",
    [
        ("300;refresher=uac", 150.0, 268.0),
        ("300;refresher=uas", None, 268.0),
        ("300", 150.0, 268.0),
        ("100;refresher=uac", 50.0, 68.0),
        ("1;refresher=uac", 50.0, 68.0),  # our Min-SE forbids it
        ("0;refresher=uas", None, 68.0),
        (None, 300.0, 568.0),
    ],
)
def test_when_it_is_refreshed_and_given_up(
    said: str | None, refresh_at: float | None, expires_at: float
) -> None:
    timer = SessionTimer(POLICY)
    headers = [("Session-Expires", said)] if said else []
    timer.agreed(response(our_invite(), 200, headers=headers), 0.0)
    if refresh_at is not None:
        assert timer.deadline == refresh_at
        assert not timer.time_passed(refresh_at)
        assert timer.due
    assert timer.deadline == pytest.approx(expires_at)
    assert timer.time_passed(expires_at + 1e-9)
    timer.stop()
    assert timer.deadline is None


def test_the_roles_stay_as_they_are() -> None:
    timer = SessionTimer(POLICY)
    assert timer.request_headers() == (("Session-Expires", "600"), ("Min-SE", "100"))
    for role in ("uas", "uac"):
        said = [("Session-Expires", f"300;refresher={role}")]
        timer.agreed(response(our_invite(), 200, headers=said), 0.0)
        assert timer.request_headers()[0] == ("Session-Expires", f"600;refresher={role}")


def test_a_refusal_shows_that_a_peer_without_timers_is_alive() -> None:
    timer = SessionTimer(POLICY)
    timer.agreed(response(our_invite(), 200), 0.0)
    timer.time_passed(300.0)
    timer.refusal(301.0)
    assert timer.deadline == 601.0
    timer = SessionTimer(POLICY)
    timer.agreed(response(our_invite(), 200, headers=[("Session-Expires", "600")]), 0.0)
    timer.time_passed(300.0)
    timer.refusal(301.0)
    assert timer.deadline == 568.0


def test_a_longer_minimum_is_taken_over_once() -> None:
    timer = SessionTimer(POLICY)
    wanted = response(our_invite(), 422, headers=[("Min-SE", "900")])
    assert timer.refused(wanted)
    assert timer.request_headers() == (("Session-Expires", "900"), ("Min-SE", "900"))
    assert not timer.refused(wanted)
    assert not timer.refused(response(our_invite(), 422))
