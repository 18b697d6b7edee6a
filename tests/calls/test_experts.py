"""Whom an agent can pull in, when, and whether partners can be reached."""

import datetime as dt

import pytest

from calls.directory import Directory, Partner
from calls.duty import Duty
from calls.errors import TransferError
from calls.experts import Expert, Experts
from calls.partner_health import REMEMBERED_SECONDS, PartnerHealth
from calls.party import Segment
from calls.targets import AgentTarget, NumberTarget, name_of

CHINA = dt.timezone(dt.timedelta(hours=8))


def at(day: int, clock: str) -> float:
    """A moment of the week of 2026-11-16, a Monday."""
    moment = dt.datetime.combine(dt.date(2026, 11, 15 + day), dt.time.fromisoformat(clock), CHINA)
    return moment.timestamp()


@pytest.mark.parametrize(
    "text, inside, outside",
    [
        ("Mon-Fri 08:30-17:30", [(1, "08:30"), (5, "17:29")], [(1, "17:30"), (6, "09:00")]),
        (
            "Sun 20:00-08:00",
            [(7, "23:59"), (8, "07:59")],
            [(7, "19:59"), (7, "07:00"), (8, "08:00")],
        ),
        ("Sat-Mon 00:00-00:00", [(6, "00:00"), (8, "23:59")], [(5, "23:59"), (9, "00:00")]),
    ],
)
def test_duty(text: str, inside: list[tuple[int, str]], outside: list[tuple[int, str]]) -> None:
    duty = Duty.parse(text)
    assert [duty.covers(at(*moment)) for moment in inside] == [True] * len(inside)
    assert [duty.covers(at(*moment)) for moment in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    "text", ["", "Mon", "Mon-Foo 08:30-17:30", "Mon 25:00-26:00", "08:30-17:30"]
)
def test_what_is_no_duty(text: str) -> None:
    with pytest.raises(ValueError, match=r"days and hours|hour must be"):
        Duty.parse(text)


WATER = Expert("water", "供水集团", ("供水", "爆管"), numbers=("051253530000",))
LAW = Expert("law", "法律顾问", ("合同",), agent="1005", duty=(Duty.parse("Mon 08:00-12:00"),))


def test_an_expert_is_found_while_he_is_on_duty() -> None:
    directory = Directory(experts=[WATER, LAW])
    water = directory.find("expert:water", role="agent", now=at(7, "03:00"))
    assert isinstance(water, NumberTarget)
    assert (water.numbers, name_of(water)) == (("051253530000",), "expert:water")
    assert directory.find("expert:law", role="agent", now=at(1, "09:00")) == AgentTarget("1005")
    for asked, now, code in (
        ("expert:law", at(2, "09:00"), "target_closed"),
        ("expert:nobody", at(1, "09:00"), "unknown_target"),
    ):
        with pytest.raises(TransferError) as refused:
            directory.find(asked, role="agent", now=now)
        assert refused.value.code == code


def test_experts_are_listed_by_topic_with_their_duty() -> None:
    experts = Experts([WATER, LAW])
    listed = experts.listed(now=at(2, "09:00"))
    assert [(expert.id, on_duty) for expert, on_duty in listed] == [("water", True), ("law", False)]
    assert [expert.id for expert, _ in experts.listed(now=0.0, topic="爆管")] == ["water"]
    assert experts.listed(now=0.0, topic="消防") == []


def test_what_a_partners_key_does() -> None:
    directory = Directory(
        partners=[
            Partner("110", "公安", ("110",), one_key="conference"),
            Partner("119", "消防", ("119",)),
        ]
    )
    assert (directory.one_key("110"), directory.one_key("119")) == ("conference", "blind")
    with pytest.raises(TransferError, match="unknown target"):
        directory.one_key("911")


def test_a_partners_health_is_what_came_of_the_latest_call() -> None:
    health = PartnerHealth()
    assert health.of("110", 0.0) == "unknown"
    call = [Segment(offered_at=0.0, partner_id="110"), Segment(offered_at=0.0, agent_id="1001")]
    health.follow(call)
    assert health.of("110", 1.0) == "unknown"  # it rings still
    call[0].end(10.0, "unreachable")
    health.follow(call)
    assert health.of("110", 11.0) == "failing"
    later = Segment(offered_at=20.0, partner_id="110")
    later.end(30.0, "busy")
    health.follow([later])
    health.follow(call)  # told again
    assert health.of("110", 31.0) == "ok"
    assert health.of("110", 31.0 + REMEMBERED_SECONDS) == "unknown"
