"""From the routing document to wants and pools."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.demand import Want, pools_text, read_pools, read_wants, wants_text
from agents.routing import Past, Resort, RoutingPlan
from config.routing import RoutingSettings
from config.settings import load

LINES = {"12345": "general", "96000": "bus"}
MONDAY_NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0


def planned(**changes: Any) -> RoutingPlan:
    """Return the shipped document with some sections changed."""
    document = load(None, {}).routing.model_dump(mode="json") | {"preferred_seconds": 5.0} | changes
    return RoutingPlan(RoutingSettings.model_validate(document), LINES)


def test_a_line_asks_for_its_skill_by_the_usual_rule() -> None:
    plan = planned().plan("12345", now=MONDAY_NOON)
    assert plan.wants == (
        Want("general@own"),
        Want("general@outsourced"),
        Want("general@linkage", after=30.0, keep=1),
    )
    assert (plan.skills, plan.priority, plan.closed) == (("general",), 0, None)


def test_line_language_and_caller_ask_for_skills_together() -> None:
    plan = planned(
        lines={"12345": {"language": "english", "priority": 2}},
        callers={"firms": {"number": "0512.*", "skills": ["enterprise"], "priority": 3}},
    )
    asked = plan.plan("12345", "051253530000", now=MONDAY_NOON)
    assert (asked.skills, asked.priority) == (("english", "enterprise", "general"), 5)
    assert asked.wants[0].pool == "english+enterprise+general@own"
    assert plan.plan("12345", "13862311001", now=MONDAY_NOON).skills == ("english", "general")


def test_who_spoke_english_last_time_is_asked_for_it_again() -> None:
    plan = planned(lines={"96000": {"language": "english"}})
    asked = plan.plan("12345", "13862311001", now=MONDAY_NOON, past=Past(None, "96000"))
    assert asked.skills == ("english", "general")


def test_whom_the_caller_knows_comes_first_and_the_rest_waits_for_him() -> None:
    asked = planned().plan("12345", "1", now=MONDAY_NOON, past=Past("1007", "12345"))
    assert [(want.pool, want.after) for want in asked.wants] == [
        ("agent:1007", 0.0),
        ("general@own", 5.0),
        ("general@outsourced", 5.0),
        ("general@linkage", 30.0),
    ]


def test_a_step_widens_to_a_neighbour_skill() -> None:
    steps = [{"groups": ["own"]}, {"after": 20, "skills": ["general"], "level": 3}]
    plan = planned(rules={**_rules(), "usual": {"steps": steps}})
    assert plan.plan("96000", now=MONDAY_NOON).wants == (
        Want("bus@own"),
        Want("general@own", after=20.0, level=3),
        Want("general@outsourced", after=20.0, level=3),
    )


def test_a_partners_call_goes_by_the_green_rule_whatever_the_line_says() -> None:
    plan = planned(lines={"12345": {"hours": ["22:00-06:00"], "priority": 2}})
    asked = plan.plan("12345", "110", now=MONDAY_NOON, partner=True)
    assert [(want.pool, want.after) for want in asked.wants] == [
        ("general@linkage", 0.0),
        ("general@own", 5.0),
        ("general@outsourced", 5.0),
    ]
    assert (asked.priority, asked.closed) == (32, None)


def test_a_skill_can_be_asked_for_in_place_of_the_lines() -> None:
    asked = planned().plan("12345", now=MONDAY_NOON, skill="english")
    assert {want.pool for want in asked.wants} == {
        "english@own",
        "english@outsourced",
        "english@linkage",
    }


def test_last_resorts_are_told_in_the_order_of_time_and_are_no_wants() -> None:
    steps = [
        {"after": 300, "call_back": True},
        {"groups": ["own"]},
        {"after": 120, "to": "partner:wuxi"},
    ]
    asked = planned(rules={**_rules(), "usual": {"steps": steps}}).plan("12345", now=MONDAY_NOON)
    assert asked.wants == (Want("general@own"),)
    assert asked.resorts == (Resort(120.0, "partner:wuxi"), Resort(300.0, None))


@pytest.mark.parametrize(
    "steps, why",
    [
        ([{"call_back": True}], "a step that names agents"),
        ([{}, {"to": "partner:wuxi", "call_back": True}], "in one step"),
        ([{}, {"to": "partner:wuxi", "groups": ["own"]}], "in one step"),
        ([{}, {"to": "051253530000"}], "partner:"),
    ],
)
def test_a_step_is_about_one_thing(steps: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        planned(rules={**_rules(), "usual": {"steps": steps}})


def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = load(None, {}).routing.model_dump(mode="json")["rules"]
    return rules


@pytest.mark.parametrize(
    "line, hours_later, closed",
    [
        ({"hours": ["08:30-17:30"]}, 0, None),
        ({"hours": ["08:30-17:30"]}, 5.5, "refuse"),
        ({"hours": ["08:30-17:30"], "closed": "queue"}, 6, "queue"),
        ({"hours": ["1-5 08:30-17:30"]}, 5 * 24, "refuse"),  # Saturday
        ({"hours": ["1-5 08:30-17:30", "6 09:00-13:00"]}, 5 * 24, None),
        ({"hours": ["22:00-06:00"]}, 11, None),  # 23 o'clock
        ({"hours": ["1 22:00-06:00"]}, 13, None),  # Tuesday, 1 o'clock: Monday's night
        ({"hours": ["2 22:00-06:00"]}, 13, "refuse"),
        ({"on_holidays": False}, 24, "refuse"),
        ({"on_holidays": False}, 23 + 24, None),
    ],
)
def test_opening_hours(line: dict[str, Any], hours_later: float, closed: str | None) -> None:
    plan = planned(lines={"12345": line}, holidays=["2026-11-24"])
    assert plan.plan("12345", now=MONDAY_NOON + hours_later * HOUR).closed == closed


def test_an_agent_is_in_the_pools_of_all_that_he_can_be_asked_for() -> None:
    plan = planned(
        lines={"12345": {"language": "english"}},
        agents={"1001": {"skills": {"general": 5, "english": 3}, "group": "outsourced"}},
    )
    pools, group = plan.profile("1001")
    assert pools == {
        "english+general@outsourced": 3,
        "english@outsourced": 3,
        "general@outsourced": 5,
        "@outsourced": 0,
    }
    assert group == "outsourced"
    # who has no table has every skill, in his account's group if there is one of that name
    assert plan.profile("1002", "linkage")[1] == "linkage"
    everything, group = plan.profile("1002", "市级")
    assert group == "own"
    assert everything == {
        "@own": 0,
        "general@own": 1,
        "bus@own": 1,
        "bus+english@own": 1,
        "english@own": 1,
        "english+general@own": 1,
    }


def test_a_call_that_asks_for_many_skills_with_long_names_is_routed() -> None:
    many = [f"{'x' * 30}{number}" for number in range(8)]
    plan = planned(lines={"12345": {"skills": many}})
    wants = plan.plan("12345", now=MONDAY_NOON).wants
    assert wants[0].pool in plan.profile("1001")[0]
    assert len({want.pool for want in wants}) == 3


def test_no_more_sets_of_skills_than_agents_can_be_listed_for() -> None:
    def tables(count: int) -> dict[str, Any]:
        return {f"c{n}": {"number": f"1{n}.*", "skills": [f"s{n}"]} for n in range(count)}

    planned(callers=tables(6))
    with pytest.raises(ValueError, match="more than 64 sets of skills"):
        planned(callers=tables(7))


@given(st.data())
def test_whoever_a_call_asks_for_is_listed_there(data: st.DataObject) -> None:
    """Every pool in any plan is one that agents with all skills are listed in."""
    skill = st.sampled_from(["english", "bus", "general", "enterprise"])
    several = st.lists(skill, max_size=2, unique=True)
    line = st.fixed_dictionaries({"skills": several, "language": st.none() | skill})
    lines = data.draw(st.dictionaries(st.sampled_from(["12345", "96000", "110"]), line))
    callers = data.draw(st.dictionaries(st.sampled_from(["a", "b"]), several))
    plan = planned(
        lines=lines,
        callers={name: {"number": ".*", "skills": asked} for name, asked in callers.items()},
        agents={"1": {"group": "own"}, "2": {"group": "outsourced"}, "3": {"group": "linkage"}},
    )
    listed = {pool for agent_id in "123" for pool in plan.profile(agent_id)[0]}
    for number in ("12345", "96000", "110"):
        for past in (None, Past(None, "12345"), Past("7", "96000")):
            wants = plan.plan(number, "1386231", now=MONDAY_NOON, past=past).wants
            assert {w.pool for w in wants if not w.pool.startswith("agent:")} <= listed


@given(
    st.lists(
        st.builds(
            Want,
            st.from_regex(r"[^=;|\s]{1,20}", fullmatch=True),
            after=st.floats(0, 1e5, allow_nan=False),
            level=st.integers(0, 9),
            keep=st.integers(0, 9),
        ),
        min_size=1,
        unique_by=lambda want: want.queue,
    )
)
def test_wants_are_read_as_they_were_written(wants: list[Want]) -> None:
    assert read_wants(wants_text(wants)) == tuple(sorted(wants, key=lambda want: want.after))


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a|b", "x" * 81])
def test_a_pool_that_the_records_could_not_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a pool's name"):
        Want(name)
    with pytest.raises(ValueError, match="a pool's name"):
        pools_text({name: 1})


def test_pools_are_read_as_they_were_written() -> None:
    text = pools_text({"english@own": 3, "一企来@own": 9})
    assert read_pools(text, "7") == {"any": 0, "agent:7": 0, "english@own": 3, "一企来@own": 9}
