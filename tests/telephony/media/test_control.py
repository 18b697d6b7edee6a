"""The control protocol: lines in, commands or named mistakes out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telephony.media import control
from telephony.media.control import (
    CommandError,
    LineSplitter,
    encode_command,
    encode_error,
    parse_command,
)

COMMANDS: list[control.Command] = [
    control.Open(id=1, session="a"),
    control.Open(id=1, session="a", host="::1"),
    control.Remote(
        id=2,
        session="座席",
        host="192.0.2.1",
        port=4000,
        payload_type=8,
        codec="PCMA",
        telephone_event=101,
        accepts={0: "PCMU"},
    ),
    control.Bridge(id=3, first="a", second="b"),
    control.Unbridge(id=4, session="a"),
    control.Fork(id=5, session="a", host="127.0.0.1", port=5004),
    control.Fork(id=5, session="a"),
    control.Record(id=6, recording="r", path=Path("/tmp/r.wav"), left=("a",), right=("b",)),  # noqa: S108
    control.ChangeRecord(id=6, recording="r", left=("a",), right=("b", "c")),
    control.PauseRecord(id=6, recording="r"),
    control.ResumeRecord(id=6, recording="r"),
    control.Matrix(id=10, bridge="b", hears={"a": {"b": 1.0}, "b": {"a": 0.5}}),
    control.Matrix(id=10, bridge="b", hears={}),
    control.Play(
        id=11,
        player="p",
        session="a",
        items=[
            control.Item(file=Path("/srv/等候.wav")),
            control.Item(tone="ringback"),
            control.Item(silence=0.5),
            control.Item(keys="12#"),
        ],
        loop=True,
        stop_on_key=True,
    ),
    control.StopPlay(id=12, player="p"),
    control.Dtmf(id=13, session="a", keys="0123456789*#ABCD"),
    control.Remote(
        id=16,
        session="a",
        host="127.0.0.1",
        port=4000,
        payload_type=8,
        codec="PCMA",
        watched=control.Watched(rtp_timeout=60, inband_keys=True),
    ),
    control.Watch(id=14, session="a", rtp_timeout=30, silence=5.0, inband_keys=True),
    control.Fork(id=5, session="a", host="127.0.0.1", port=5004, packets=5),
    control.StopRecord(id=7, recording="r"),
    control.Close(id=8, session="a"),
    control.Stats(id=9),
    control.Stats(id=9, session="a"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.command)
def test_a_command_survives_the_wire(command: control.Command) -> None:
    line = encode_command(command)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_command(line) == command


def remote(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "command": "remote",
        "session": "a",
        "host": "192.0.2.1",
        "port": 4000,
        "payload_type": 8,
        "codec": "PCMA",
    } | changes


@pytest.mark.parametrize(
    "document,message",
    [
        (remote(port=65536), "port: .*less than or equal to 65535"),
        (remote(port="4000"), "port: .*valid integer"),
        (remote(port=True), "port: .*valid integer"),
        (remote(codec="G729"), "codec: .*'PCMA', 'PCMU', 'G722' or 'opus'"),
        (remote(host="phone.example.com"), "host: .*does not appear to be an IPv4 or IPv6 address"),
        (remote(payload_type=128), "payload_type: "),
        (remote(accepts={"x": "PCMA"}), "accepts.x.*valid integer"),
        (remote(colour="blue"), "colour: Extra inputs are not permitted"),
        (remote(session=""), "session: .*at least 1 character"),
        (remote(port=-1, codec=8), "port: .*codec: "),
        ({"id": 7, "command": "dance"}, "command: .*'dance'.*'open'"),
        ({"id": 7}, "command: .*'command'"),
        ({"id": 7, "command": "bridge", "first": "a", "second": "a"}, "bridged with itself"),
        ({"id": 7, "command": "fork", "session": "a", "host": "::1"}, "host and port go together"),
        (
            {"id": 7, "command": "record", "recording": "r", "path": "r.wav", "left": "a",
             "right": "b"},
            "path: .*absolute",
        ),
        (
            {"id": 7, "command": "matrix", "bridge": "x", "hears": {"a": {"a": 1, "b": 1}}},
            "hears itself",
        ),
        ({"id": 7, "command": "matrix", "bridge": "x", "hears": {"a": {"b": -1}}}, "hears.a.b: "),
        ({"id": 7, "command": "matrix", "bridge": "x", "hears": {"a": {"b": 5}}}, "hears.a.b: "),
        (
            {"id": 7, "command": "matrix", "bridge": "x",
             "hears": {"a": dict.fromkeys("bcdefghi", 1)}},
            "at most 8 parties",
        ),
        ({"id": 7, "command": "play", "player": "p", "session": "a", "items": []}, "items: "),
        (
            {"id": 7, "command": "play", "player": "p", "session": "a",
             "items": [{"tone": "beep", "silence": 1}]},
            "items.0: .*one of file, tone, silence and keys",
        ),
        (
            {"id": 7, "command": "play", "player": "p", "session": "a", "items": [{"tone": "la"}]},
            "items.0.tone: .*'ringback'",
        ),
        ({"id": 7, "command": "dtmf", "session": "a", "keys": "12x"}, "keys: .*pattern"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(document: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        parse_command(json.dumps(document).encode())
    assert (caught.value.code, caught.value.command_id) == ("bad_command", 7)
    assert json.loads(encode_error(caught.value))["id"] == 7


@pytest.mark.parametrize(
    "line", [b"", b"[1]", b"null", b"{", b"\xff\xfe", b"[" * 9000, b'{"id": "x"}', b'{"id": 1.5}']
)
def test_a_line_without_a_readable_id_is_answered_with_null(line: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        parse_command(line)
    assert json.loads(encode_error(caught.value))["id"] is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first example is, on a busy machine
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "command",
                "session",
                "host",
                "port",
                "codec",
                "path",
                "first",
                "accepts",
                "bridge",
                "hears",
                "items",
                "player",
                "keys",
                "recording",
                "left",
                "right",
            ]
        ),
        JSON | st.sampled_from(["open", "remote", "fork", "record", "matrix", "play", "a"]),
    )
)
def test_any_json_is_a_command_or_a_named_mistake(document: dict[str, Any]) -> None:
    line = json.dumps(document).encode()
    try:
        command = parse_command(line)
    except CommandError as error:
        answer = json.loads(encode_error(error))
        assert answer["error"]["code"] == "bad_command"
        assert ":" in answer["error"]["message"]
    else:
        assert parse_command(encode_command(command)) == command


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_mistake(line: bytes) -> None:
    try:
        parse_command(line)
    except CommandError as error:
        encode_error(error)


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b)), st.integers(1, 7))
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], cut: int) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    out = [
        line
        for start in range(0, len(stream), cut)
        for line in splitter.feed(stream[start : start + cut])
    ]
    assert out == [line for line in lines if line.strip()]


@pytest.mark.parametrize("cut", [1, 3, 10, 100])
def test_an_endless_line_is_reported_once_and_skipped(cut: int) -> None:
    splitter = LineSplitter(limit=10)
    stream = b"one\n" + b"x" * 35 + b"\ntwo\n" + b"y" * 11 + b"\nthree\n"
    out = [
        line
        for start in range(0, len(stream), cut)
        for line in splitter.feed(stream[start : start + cut])
    ]
    assert out == [b"one", None, b"two", None, b"three"]


def test_one_source_may_stand_for_a_list() -> None:
    document = {"id": 1, "command": "record", "recording": "r", "path": "/r.wav", "left": "a"}
    command = parse_command(json.dumps(document | {"right": ["b", "c"]}).encode())
    assert isinstance(command, control.Record)
    assert (command.left, command.right) == (("a",), ("b", "c"))
