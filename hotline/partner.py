"""The other side, for trying things out: a partner's telephone and his end of the ticket exchange.

His tickets run on the same machine as ours (`tickets.exchange.machine`), with its book in memory.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from eventbus.mqtt_link import MqttLink
from eventbus.tasks import end
from hotline.exchange import BrokerAddress
from hotline.softphone import CallFailed, PhoneCall, SoftPhone
from telephony.leg import Leg
from telephony.sip.offer_answer import SdpError
from telephony.sip.reference import reference_header
from tickets.exchange.intake import Verdict
from tickets.exchange.machine import (
    Alarm,
    Book,
    Changed,
    Decide,
    Ended,
    Exchange,
    ExchangeError,
    Garbled,
    Heard,
    Input,
    Key,
    LetterDue,
    Publish,
    Send,
)
from tickets.exchange.messages import BadMessage, Matter, TicketMessage, read, write

HOTLINE = "12345"
Manner = Literal["accept", "return", "ask"]
_LOOK_SECONDS = 0.2
_HELP = (
    "call [REFERENCE] · send TEXT · finish NUMBER [TEXT] · accept NUMBER · return NUMBER REASON · "
    "reopen NUMBER REASON · list · hangup · quit"
)


class PartnerSimulator:
    """A partner: answers calls, calls by his trunk, takes tickets and sends some.

    Args:
        partner: what he is called in the hotline's directory.
        server: the hotline's SIP address.
        broker: where tickets go over.
        host, port: his telephone's own address; 0: any port.
        prefix: first level of the topics.
        manner: what he does with tickets that come: accept or return them, or wait to be told.
        say: is told in one line what happens.
    """

    def __init__(
        self,
        partner: str,
        *,
        server: tuple[str, int],
        broker: BrokerAddress,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "hotline",
        manner: Manner = "accept",
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.partner = partner
        self.book = Book()
        self.taken: list[str] = []
        self.calls: list[PhoneCall] = []
        self.references: list[str | None] = []
        self._prefix = f"{prefix}/exchange/{partner}"
        self._manner = manner
        self._say = say
        self._numbers = itertools.count(1)
        self._run = f"{partner}-{int(time.time())}"
        self._tasks: set[asyncio.Task[None]] = set()
        self.phone = SoftPhone(server=server, host=host, port=port, on_call=self._on_call)
        self.link = MqttLink(
            host=broker.host,
            port=broker.port,
            client_id=f"{self._run}-partner",
            topics=[f"{self._prefix}/to"],
            on_message=lambda _topic, payload: self._hear(payload),
            on_up=lambda: self._say("broker: connected"),
            protocol=broker.protocol,
            username=broker.username,
            password=broker.password,
            tls=broker.tls,
        )

    async def open(self) -> None:
        """Open the telephone and go to the broker."""
        await self.phone.open()
        await self.link.start()
        self._spawn(self._look_for_ever(), "partner-due")

    async def close(self) -> None:
        """Hang up and go."""
        for call in self.calls:
            call.hang_up()
        await end(*self._tasks)
        await self.link.close()
        await self.phone.close()
        for call in self.calls:
            await call.finished(1.0)

    # -- telephone ---------------------------------------------------------------------------------

    async def call_in(self, reference: str | None = None, line: str = HOTLINE) -> PhoneCall:
        """Call the hotline, naming our number of the matter."""
        headers = dict([reference_header(reference)]) if reference else {}
        self._say(f"phone: calling {line}, reference {reference or 'none'}")
        call = await self.phone.call(line, caller=self.partner, headers=headers)
        self.calls.append(call)
        self._spawn(self._follow(call), "partner-call")
        return call

    async def _follow(self, call: PhoneCall) -> None:
        try:
            await call.answered
            self._say("phone: answered")
        except CallFailed as error:
            self._say(f"phone: {error}")
        await call.ended.wait()
        self._say("phone: the call is over")

    def _on_call(self, leg: Leg) -> None:
        leg.on_event = lambda _event: None
        leg.ring()
        self.references.append(leg.reference)
        self._say(f"phone: a call, the hotline's reference is {leg.reference}")
        self._spawn(self._pick_up(leg), "partner-answers")

    async def _pick_up(self, leg: Leg) -> None:
        try:
            call = await self.phone.pick_up(leg)
        except SdpError as error:
            self._say(f"phone: {error}")
            return
        self.calls.append(call)
        await self._follow(call)

    # -- tickets -----------------------------------------------------------------------------------

    def send(self, text: str, *, reopens: str | None = None, reason: str = "") -> str:
        """Hand a ticket over; return its number."""
        number = f"{self._run}-{next(self._numbers)}"
        key = Key(HOTLINE, "out", "ticket", number)
        self._feed(Send(key, Matter(content=text), number, reopens=reopens, reason=reason))
        return number

    def finish(self, number: str, result: str = "已办结") -> None:
        """Tell the hotline that its ticket is done."""
        self._feed(Ended(Key(HOTLINE, "in", "ticket", number), result))

    def decide(self, number: str, *, accepted: bool, reason: str = "") -> None:
        """Take a ticket of the hotline's in, or give it back."""
        self._feed(Decide(Key(HOTLINE, "in", "ticket", number), accepted, reason, self._new_id()))

    def state(self, number: str) -> str | None:
        """Return where a ticket that we handed over stands."""
        found = self.book.handovers.get(Key(HOTLINE, "out", "ticket", number))
        return found.state if found is not None else None

    def drafts(self) -> dict[str, dict[str, object]]:
        """Return what came along with calls: number → fields."""
        return {
            key.number: dict(one.matter)
            for key, one in self.book.handovers.items()
            if key.kind == "draft"
        }

    def _hear(self, payload: bytes) -> None:
        try:
            message = read(payload)
        except BadMessage as error:
            self._feed(Garbled(HOTLINE, error.id, str(error)))
            return
        if isinstance(message, TicketMessage):
            self.taken.append(message.number)
        self._feed(Heard(HOTLINE, message, self._new_id()))

    def _feed(self, event: Input) -> None:
        exchange = Exchange(self.book, judge=self._judge)
        for effect in exchange.handle(event, time.time()):
            match effect:
                case Publish():
                    self.link.publish(f"{self._prefix}/from", write(effect.message))
                case Changed(one):
                    said = one.reason or one.matter.get("content") or ""
                    self._say(
                        f"{one.key.kind} {one.key.number} ({one.key.direction}): {one.state} {said}"
                    )
                case Alarm():
                    self._say(f"ALARM: {effect.message_id}: {effect.why}")
                case _:
                    pass

    def _judge(self, _message: TicketMessage) -> Verdict:
        return Verdict(self._manner, "演示：退回" if self._manner == "return" else "")

    def _new_id(self) -> str:
        return f"{self._run}-T{next(self._numbers)}"

    async def _look_for_ever(self) -> None:
        while True:
            for (partner, message_id), letter in list(self.book.letters.items()):
                due = letter.delivery.deadline
                if due is not None and (due <= time.time()) and self.link.connected:
                    self._feed(LetterDue(partner, message_id))
            await asyncio.sleep(_LOOK_SECONDS)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- console -----------------------------------------------------------------------------------

    async def obey(  # noqa: C901, PLR0912 - one arm per command, nothing else
        self, line: str
    ) -> bool:
        """Do what a line of the console says; False: it is time to go."""
        word, _, rest = line.strip().partition(" ")
        first, _, more = rest.partition(" ")
        try:
            match word:
                case "quit" | "exit":
                    return False
                case "call":
                    await self.call_in(first or None)
                case "send" if rest:
                    self.send(rest)
                case "finish" if first:
                    self.finish(first, more or "已办结")
                case "accept" if first:
                    self.decide(first, accepted=True)
                case "return" if more:
                    self.decide(first, accepted=False, reason=more)
                case "reopen" if more:
                    self.send(more, reopens=first, reason=more)
                case "hangup":
                    for call in self.calls:
                        call.hang_up()
                case "list":
                    for key, one in self.book.handovers.items():
                        self._say(f"{key.direction} {key.kind} {key.number}: {one.state}")
                case _:
                    self._say(_HELP)
        except (ExchangeError, KeyError) as error:
            self._say(f"not done: {error}")
        return True
