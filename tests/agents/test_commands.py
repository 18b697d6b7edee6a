"""Records of the floor as another version's node wrote them."""

from agents.commands import Call, call_from, presence_from, to_record
from agents.presence import Presence


def test_a_newer_nodes_records_are_read_without_what_is_new() -> None:
    presence = Presence("1001")
    assert presence_from({**to_record(presence), "colour": "red"}) == presence
    call = Call("c1", "n", 9.0)
    assert call_from({**to_record(call), "colour": "red"}) == call
