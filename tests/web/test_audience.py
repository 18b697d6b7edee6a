"""Every published event reaches its audience and nobody else."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from typing import Any

import pytest

from eventbus.bus import EventBus
from eventbus.catalogue import (
    ALL_EVENTS,
    CallBackChanged,
    CallEnded,
    CallOffered,
    Event,
    ServiceStatus,
    TicketStep,
)
from eventbus.catalogue import TicketSubmitted as Submitted
from web.feed import FeedClient, FeedHub

NUMBER = "15250322668"
DESKS = {
    "1001": "agent",
    "1002": "agent",
    "2001": "supervisor",
    "3001": "inspector",
    "9001": "admin",
}
OVER = {CallEnded, Submitted, TicketStep}


def made(kind: type[Event], **known: Any) -> Event:
    """An event of a kind; whatever may be text holds a number."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        declared = str(field.type)
        if declared.startswith("Mapping"):
            values[field.name] = {"phone": NUMBER}
        elif declared.startswith(("Sequence", "tuple")):
            values[field.name] = ()
        elif declared.startswith("str") or "str" in declared:
            values[field.name] = NUMBER
        elif declared == "bool":
            values[field.name] = True
        else:
            values[field.name] = 1
    return kind(**{**values, **known})


@contextmanager
def desks(bus: EventBus) -> Iterator[dict[str, FeedClient]]:
    hub = FeedHub(bus=bus)
    hub.open()
    with ExitStack() as stack:
        yield {
            person: stack.enter_context(hub.join(person, role=role, token=person))
            for person, role in DESKS.items()
        }
    hub.close()


async def received(client: FeedClient) -> dict[str, Any] | None:
    """What one desk has been sent; None: nothing."""
    client.put("end")
    first = await client.next()
    return None if first == "end" else json.loads(first)


@pytest.mark.parametrize("kind", ALL_EVENTS)
@pytest.mark.parametrize("whose", ["1001", None])
async def test_an_event_reaches_its_audience_only(kind: type[Event], whose: str | None) -> None:
    bus = EventBus()
    expected = {"2001", "9001"} | ({whose} if whose else set())
    if kind is ServiceStatus:
        expected = set(DESKS)
    elif kind in OVER:
        expected.add("3001")
    with desks(bus) as connected:
        bus.publish(made(kind, at=1.0, agent_id=whose, call_id="c1"))
        heard = {person: await received(client) for person, client in connected.items()}
    assert {person for person, message in heard.items() if message} == expected


@pytest.mark.parametrize("kind", [CallOffered, CallBackChanged])
async def test_who_has_not_talked_with_somebody_is_shown_no_number(kind: type[Event]) -> None:
    bus = EventBus()
    with desks(bus) as connected:
        bus.publish(made(kind, at=1.0, agent_id="1001", call_id="c1"))
        message = await received(connected["1001"])
    assert message is not None
    shown = {message[name] for name in ("caller", "number") if name in message}
    assert shown == {"152****2668"}


@pytest.mark.parametrize("name", ["caller", "text", "fields"])
async def test_others_are_shown_no_number(name: str) -> None:
    """Of every event that carries words or a number, only the agent on the call sees it whole."""
    kinds = [k for k in ALL_EVENTS if name in {field.name for field in fields(k)}]
    assert kinds
    for kind in kinds:
        bus = EventBus()
        with desks(bus) as connected:
            bus.publish(made(kind, at=1.0, agent_id="1001", call_id="c1"))
            heard = {person: await received(client) for person, client in connected.items()}
        shown = {person: json.dumps(message[name]) for person, message in heard.items() if message}
        # whose phone rings does not need the number yet
        assert (NUMBER in shown.pop("1001")) == (kind is not CallOffered)
        assert shown
        assert not any(NUMBER in text for text in shown.values())
