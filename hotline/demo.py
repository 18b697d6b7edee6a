"""``make demo``: a citizen calls, an agent's phone answers, and the terminal shows what happens.

Both telephones are simulated; everything between them is the running node: it cannot tell this call
from a real one.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from hotline.seed import Credentials
from hotline.softphone import CallFailed, RegistrationFailed, SoftPhone
from hotline.wav import read_wav
from telephony.leg import Leg
from telephony.media.g711 import RATE, Pcm

_SPEECH = Path(__file__).parents[1] / "tests" / "assets" / "speech"
COMPLAINT = _SPEECH / "d01.wav"
GREETING = _SPEECH / "agent_greeting.wav"

_RING_SECONDS = 1.0
_AFTER_WORDS_SECONDS = 2.5
_END_SECONDS = 15.0

_LEGS = {"caller": "[green]citizen 市民[/]", "agent": "[blue]agent 坐席[/]"}


class DemoFailed(Exception):
    """The demonstration could not be given; the message says what to do."""


@dataclass
class Shown:
    """What the feed has told so far."""

    ticket_id: str | None = None
    call_id: str | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


async def demonstrate(
    console: Console,
    *,
    web: str,
    sip: tuple[str, int],
    agent: Credentials,
    complaint: Path,
    caller: str,
    line: str,
) -> None:
    """Give the demonstration against the node at ``web`` and ``sip``.

    Raises:
        DemoFailed: the node does not run, or did not do what it should.
        hotline.wav.WavError: the complaint cannot be played.
    """
    samples, greeting = read_wav(complaint), read_wav(GREETING)
    async with httpx.AsyncClient(base_url=f"{web}/api/v1", timeout=10, trust_env=False) as client:
        token = await _sign_in(client, web, agent)
        client.headers["Authorization"] = f"Bearer {token}"
        desk = _AgentsPhone(sip, greeting)
        citizen = SoftPhone(server=sip)
        await desk.phone.open()
        await citizen.open()
        shown = Shown()
        try:
            try:
                await desk.phone.register(agent.agent_id, agent.phone_password)
            except RegistrationFailed as error:
                raise DemoFailed(f"the agent's phone could not register: {error}") from error
            feed = f"{web.replace('http', 'ws', 1)}/api/v1/feed?token={token}"
            async with connect(feed, proxy=None) as connection:
                watcher = asyncio.create_task(_watch(console, connection, shown))
                try:
                    await _ready(client)
                    await _talk(console, citizen, samples, (caller, line), shown)
                finally:
                    watcher.cancel()
                    with suppress(asyncio.CancelledError):
                        await watcher
            await _submit(console, client, web, shown)
        finally:
            await client.delete("/session")
            await citizen.close()
            with suppress(RegistrationFailed):
                await desk.phone.register(agent.agent_id, agent.phone_password, expires=0)
            await desk.close()


class _AgentsPhone:
    """Answers every call after a second's ringing and says the greeting."""

    def __init__(self, sip: tuple[str, int], greeting: Pcm) -> None:
        self.phone = SoftPhone(server=sip, on_call=self._on_call)
        self._greeting = greeting
        self._tasks: set[asyncio.Task[None]] = set()

    def _on_call(self, leg: Leg) -> None:
        leg.on_event = lambda _event: None
        leg.ring()
        task = asyncio.create_task(self._answer(leg), name="agents-phone")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, leg: Leg) -> None:
        await asyncio.sleep(_RING_SECONDS)
        call = await self.phone.pick_up(leg)
        call.voice.say(self._greeting)
        await call.ended.wait()
        await call.voice.close()

    async def close(self) -> None:
        await self.phone.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _sign_in(client: httpx.AsyncClient, web: str, agent: Credentials) -> str:
    try:
        answer = await client.post(
            "/session", json={"agent_id": agent.agent_id, "password": agent.password}
        )
    except httpx.TransportError as error:
        raise DemoFailed(
            f"nobody answers at {web}: start the node with `make run` first"
        ) from error
    if answer.is_error:
        raise DemoFailed(f"agent {agent.agent_id} could not sign in: {answer.text}")
    return str(answer.json()["token"])


async def _ready(client: httpx.AsyncClient) -> None:
    answer = await client.put("/me/presence", json={"state": "ready"})
    if answer.is_error:
        raise DemoFailed(f"the agent could not become ready: {answer.text}")


async def _talk(
    console: Console, citizen: SoftPhone, samples: Pcm, numbers: tuple[str, str], shown: Shown
) -> None:
    caller, line = numbers
    console.print(f"[green]citizen {caller}[/] dials [bold]{line}[/] …")
    call = await citizen.call(line, caller=caller)
    try:
        await call.answered
        # The citizen lets the agent finish his greeting.
        greeting = read_wav(GREETING)
        call.voice.say(np.zeros(len(greeting) + RATE // 2, np.int16))
        call.voice.say(samples)
        await call.voice.until_said()
        await asyncio.sleep(_AFTER_WORDS_SECONDS)
    except CallFailed as error:
        raise DemoFailed(f"the call was not answered: {error}") from error
    finally:
        call.hang_up()
        await call.finished()
    if not shown.answered.is_set():
        raise DemoFailed("another agent was ready longer and took the call; set him not ready")
    try:
        async with asyncio.timeout(_END_SECONDS):
            await shown.ended.wait()
    except TimeoutError:
        raise DemoFailed("the call's end was not reported") from None


async def _watch(console: Console, connection: ClientConnection, shown: Shown) -> None:
    """Print the feed of the agent's desktop, the words being said in one changing last line."""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        async for message in connection:
            event = json.loads(message)
            if event["event"] == "transcript.partial":
                live.update(f"{_LEGS[event['leg']]}: [dim]{event['text']} …[/]", refresh=True)
                continue
            live.update("", refresh=True)
            if line := _line(event, shown):
                console.print(line)


def _line(event: dict[str, Any], shown: Shown) -> str | None:  # noqa: PLR0911 - one an event
    """Take in an event of the feed; return how it is shown, None when it is not."""
    match event["event"]:
        case "agent.presence":
            return f"[dim]  agent {event['agent_id']} is [bold]{event['state']}[/][/]"
        case "call.offered":
            return "[dim]  the agent's phone rings[/]"
        case "call.answered":
            shown.call_id, shown.ticket_id = event["call_id"], event["ticket_id"]
            shown.answered.set()
            return f"[dim]  answered after {event['waited']:.1f} s[/]"
        case "transcript.final":
            return f"{_LEGS[event['leg']]}: [bold]{event['text']}[/]"
        case "ticket.field":
            value = f"[yellow]{event['field']}[/] = {event['value']}"
            return f"    {value}  [dim]({event['source']})[/]"
        case "call.ended":
            shown.ended.set()
            return f"[dim]  ended by the {event['ended_by']}[/]"
        case "service.status":
            return f"  {event['part']}: {event['status']} {event['detail'] or ''}"
        case _:
            return None


async def _submit(console: Console, client: httpx.AsyncClient, web: str, shown: Shown) -> None:
    answer = await client.post(f"/tickets/{shown.ticket_id}/submit")
    if answer.is_error:
        raise DemoFailed(f"the ticket could not be submitted: {answer.text}")
    ticket = answer.json()
    table = Table(title=f"Ticket {ticket['id']}: {ticket['status']}", title_justify="left")
    for column in ("field", "value", "from"):
        table.add_column(column)
    for name, entry in ticket["fields"].items():
        if entry["value"] not in (None, False, ""):
            table.add_row(name, str(entry["value"]), entry["source"])
    console.print(table)
    console.print(f"desktop     {web}/#/tickets/{ticket['id']}")
    console.print(f"ticket      {web}/api/v1/tickets/{ticket['id']}")
    console.print(f"call record {web}/api/v1/calls/{shown.call_id}")
    console.print(f"recording   {web}/api/v1/calls/{shown.call_id}/recording")
