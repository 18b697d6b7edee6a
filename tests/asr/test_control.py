import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import control
from asr.control import (
    Answer,
    CloseStream,
    Codec,
    ControlError,
    OpenStream,
    ResultHeard,
    Stats,
    StatusChanged,
)
from asr.ports import Final, Partial, Result, Word

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1)
codecs: st.SearchStrategy[Codec] = st.sampled_from(("PCMA", "PCMU"))
commands = st.one_of(
    st.builds(
        OpenStream, st.integers(), names, finite, st.dictionaries(st.integers(0, 127), codecs)
    ),
    st.builds(CloseStream, st.integers(), names),
    st.builds(Stats, st.integers()),
)
words = st.builds(Word, st.text(), finite, finite, finite)
results = st.one_of(
    st.builds(Partial, st.text(), finite, finite),
    st.builds(Final, st.text(), finite, finite, st.lists(words).map(tuple), st.none() | finite),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(commands)
def test_commands_survive_the_wire(command: control.Command) -> None:
    line = control.encode_command(command)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert control.parse_command(line) == command


@settings(deadline=None)
@given(names, results)
def test_results_survive_the_wire(stream: str, result: Result) -> None:
    line = control.encode_result(stream, result)
    assert b"\n" not in line[:-1]
    assert control.parse_message(line) == ResultHeard(stream, result)


def test_answers_and_status() -> None:
    answer = {"id": 3, "ok": True, "streams": 2}
    assert control.parse_message(control.encode(answer)) == Answer(id=3, ok=True, body=answer)
    status = {"event": "status", "status": "no_model", "reason": "none at var/models"}
    assert control.parse_message(control.encode(status)) == StatusChanged(
        "no_model", "none at var/models"
    )


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 9, "command": "sing"}',
        b'{"id": 9, "command": "open"}',
        b'{"id": 9, "command": "open", "stream": ""}',
        b'{"id": 9, "command": "open", "stream": "a", "t0": NaN}',
        b'{"id": 9, "command": "open", "stream": "a", "payload_types": {"128": "PCMA"}}',
        b'{"id": 9, "command": "open", "stream": "a", "payload_types": {"\xc2\xb2": "PCMA"}}',
        b'{"id": 9, "command": "open", "stream": "a", "payload_types": {"96": "opus"}}',
        b'{"id": 9, "command": "close", "stream": 4}',
    ],
)
def test_a_wrong_command_can_be_answered(line: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        control.parse_command(line)
    assert caught.value.id == 9


@settings(deadline=None)
@given(st.binary() | json_values.map(json.dumps).map(str.encode))
def test_noise_is_a_control_error_and_nothing_else(line: bytes) -> None:
    for parse in (control.parse_command, control.parse_message):
        with pytest.raises(ControlError):
            parse(line)


@settings(deadline=None)
@given(
    st.sampled_from(["open", "close", "stats"]),
    st.dictionaries(st.sampled_from(["stream", "t0", "payload_types"]), json_values),
    st.sampled_from(["partial", "final", "status"]),
    st.dictionaries(
        st.sampled_from(["stream", "text", "start", "end", "words", "confidence", "status"]),
        json_values,
    ),
)
def test_half_right_messages_are_read_or_refused(
    command: str, fields: dict[str, object], event: str, other: dict[str, object]
) -> None:
    # Neither parser lets anything but ControlError out.
    with contextlib.suppress(ControlError):
        read = control.parse_command(control.encode({"id": 1, "command": command, **fields}))
        assert control.parse_command(control.encode_command(read)) == read
    with contextlib.suppress(ControlError):
        message = control.parse_message(control.encode({"event": event, **other}))
        assert isinstance(message, StatusChanged | ResultHeard)


def test_what_json_can_carry_and_utf8_cannot_still_leaves() -> None:
    assert control.encode({"text": "\ud800"}) == b'{"text":"?"}\n'
