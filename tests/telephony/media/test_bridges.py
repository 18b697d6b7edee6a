"""Who is in which bridge, and who hears whom because of it."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.media.bridges import Bridges, Playing

NAMES = "abcdef"
HANDLES = {name: number for number, name in enumerate(NAMES, 1)}


def pair(one: str, two: str) -> dict[str, dict[str, float]]:
    return {one: {two: 1.0}, two: {one: 1.0}}


def test_a_matrix_is_heard_row_by_row() -> None:
    bridges = Bridges()
    hears = {"a": {"b": 1.0, "c": 0.5}, "b": {"a": 1.0}}
    assert bridges.set_matrix("x", hears) == {"a", "b", "c"}
    assert bridges.row("a", HANDLES) == {2: 1.0, 3: 0.5}
    assert bridges.row("c", HANDLES) == {}
    assert bridges.bridge_of("c") == "x"


def test_who_is_named_elsewhere_leaves() -> None:
    bridges = Bridges()
    bridges.set_matrix("x", pair("a", "b"))
    assert bridges.set_matrix("y", pair("b", "c")) == {"a", "b", "c"}
    assert bridges.row("a", HANDLES) == {}
    assert (len(bridges), bridges.bridge_of("a")) == (1, None)


def test_who_is_not_named_any_more_has_left() -> None:
    bridges = Bridges()
    bridges.set_matrix("x", {"a": {"b": 1.0, "c": 1.0}, "b": {"a": 1.0}})
    assert bridges.set_matrix("x", pair("a", "b")) == {"a", "b", "c"}
    assert bridges.bridge_of("c") is None
    assert bridges.set_matrix("x", {}) == {"a", "b"}
    assert len(bridges) == 0


def test_who_hears_himself_leaves_no_bridge_behind() -> None:
    bridges = Bridges()
    assert bridges.set_matrix("x", {"a": {"a": 1.0}}) == {"a"}
    assert bridges.row("a", HANDLES) == {1: 1.0}
    assert bridges.leave("a") == {"a"}
    assert (len(bridges), bridges.bridge_of("a"), bridges.row("a", HANDLES)) == (0, None, {})


def test_what_is_played_takes_the_place_of_the_bridge_unless_it_is_mixed() -> None:
    bridges = Bridges()
    bridges.set_matrix("x", pair("a", "b"))
    bridges.play("whisper", Playing("a", 10, mixed=True, gain=0.5))
    assert bridges.row("a", HANDLES) == {2: 1.0, 10: 0.5}
    bridges.play("music", Playing("a", 11, mixed=False, gain=1.0))
    assert bridges.row("a", HANDLES) == {10: 0.5, 11: 1.0}
    assert bridges.playing_to("a") == ["whisper", "music"]
    assert bridges.row("b", HANDLES) == {1: 1.0}
    bridges.stop_play("music")
    assert bridges.row("a", HANDLES) == {2: 1.0, 10: 0.5}
    assert bridges.stop_play("music") is None


MATRIX = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.5, 1.0]), max_size=5),
    max_size=6,
).map(lambda hears: {x: {y: g for y, g in row.items() if y != x} for x, row in hears.items()})


@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), MATRIX) | st.sampled_from(NAMES), min_size=1, max_size=20
    )
)
def test_nobody_is_in_two_bridges_and_nobody_hears_across(
    steps: list[tuple[str, dict[str, dict[str, float]]] | str],
) -> None:
    bridges = Bridges()
    rows = {name: bridges.row(name, HANDLES) for name in NAMES}
    for step in steps:
        if isinstance(step, str):
            changed = bridges.leave(step)
            assert bridges.bridge_of(step) is None
        else:
            changed = bridges.set_matrix(*step)
        for name in NAMES:
            row = bridges.row(name, HANDLES)
            assert row == rows[name] or name in changed
            rows[name] = row
            for handle in row:
                assert bridges.bridge_of(NAMES[handle - 1]) == bridges.bridge_of(name) is not None
