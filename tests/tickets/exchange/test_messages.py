import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.exchange import schema
from tickets.exchange.messages import (
    LONGEST_PAYLOAD,
    BadMessage,
    Matter,
    TicketMessage,
    read,
    write,
)


def test_what_is_written_is_read_and_what_is_unknown_left_out() -> None:
    ticket = TicketMessage(id="t1", at=1.5, number="JQ-7", matter=Matter(content="退款"), people=1)
    body = json.loads(write(ticket))
    assert body == {
        "kind": "ticket", "id": "t1", "at": 1.5, "number": "JQ-7", "people": 1, "reason": "",
        "matter": {"content": "退款"},
    }  # fmt: skip
    body["colour"] = "red"
    assert read(json.dumps(body).encode()) == ticket


@pytest.mark.parametrize(
    "payload, said, message_id",
    [
        (b"", "the whole", None),
        (b"[]", "the whole", None),
        (b'{"kind": "song", "id": "x"}', "song", "x"),
        (b'{"kind": "ticket", "id": "x", "at": 1, "number": "a b", "matter": {}}', "number", "x"),
        (b'{"kind": "state", "id": "x", "at": 1, "number": "a", "step": 0}', "step", "x"),
        (b"9" * (LONGEST_PAYLOAD + 1), "longer", None),
        (b'{"kind": "draft", "id": "x", "at": NaN, "number": "a", "matter": {}}', "at", "x"),
        (
            rb'{"kind": "draft", "id": "x", "at": 1, "number": "a", "matter": {"name": "\u0000"}}',
            "matter.name",
            "x",
        ),
    ],
)
def test_what_is_wrong_is_named(payload: bytes, said: str, message_id: str | None) -> None:
    with pytest.raises(BadMessage) as caught:
        read(payload)
    assert said in str(caught.value)
    assert caught.value.id == message_id


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_are_refused(payload: bytes) -> None:
    with suppress(BadMessage):
        assert read(payload).id


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
MEMBERS = ["id", "at", "kind", "number", "matter", "step", "state", "of", "people", "reopens"]


@given(
    st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=8),
    st.sampled_from(["ticket", "draft", "state", "ack"]),
)
def test_any_members_are_a_message_or_are_refused(body: dict[str, object], kind: str) -> None:
    try:
        message = read(json.dumps({**body, "kind": kind}).encode(errors="replace"))
    except BadMessage:
        return
    assert read(write(message)) == message


def test_the_schema_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema.main(["--check"]) == 0, "run: python -m tickets.exchange.schema"
    monkeypatch.setattr(schema, "PAGE", tmp_path / "schema.json")
    schema.main()
    assert schema.main(["--check"]) == 0
