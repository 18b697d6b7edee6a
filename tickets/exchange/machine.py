"""What becomes of the tickets that hotline and partners hand over to each other.

Pure: no broker, no database, no clock. Everything it remembers stands in a :class:`Book`; the
shell (``service.py``) fills one with what an input concerns, and stores what has changed together
with what the desk does, in one transaction. So a message may come twice, late or after others,
and either side may be killed at any moment: a number is one ticket, and the highest step counts.

=========  =========================================  ==========================================
state      of a ticket that we handed over (out)      of a partner's (in)
=========  =========================================  ==========================================
sent       the partner has not decided yet            -
arrived    -                                          a person of ours has to decide
accepted   he handles it                              it is a ticket of ours
returned   he gave it back, with the reason           we gave it back, with the reason
finished   he is done with it, and says what was done the ticket is closed, and he was told
=========  =========================================  ==========================================

A draft (of a call that is being transferred) is only known: sent, or arrived.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

from tickets.exchange import delivery
from tickets.exchange.delivery import Acked, Delivery, Due
from tickets.exchange.intake import Verdict
from tickets.exchange.messages import (
    AckMessage,
    DraftMessage,
    Matter,
    Message,
    StateMessage,
    TicketMessage,
)

Direction = Literal["in", "out"]
Kind = Literal["ticket", "draft"]
State = Literal["sent", "arrived", "accepted", "returned", "finished"]
_LONGEST_ID = 100


class ExchangeError(Exception):
    """What our side asks for cannot be; nothing was changed.

    Attributes:
        code: ``already_sent``, ``not_now``, ``not_shared`` or ``required``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Key:
    """Which one: ``number`` is the sender's."""

    partner: str
    direction: Direction
    kind: Kind
    number: str


@dataclass(slots=True)
class Handover:
    """One ticket, or draft, that was handed over.

    Attributes:
        key: which.
        state: where it stands.
        step: the number of the newest state that was told, by either side.
        ticket_id: our own ticket; None until it is taken in.
        theirs: the number that it has at the partner's.
        reason: why it was returned, or what was done.
        rule: the rule of intake that decided.
        reopens: the number of the older handover that it takes up again.
        matter: what the partner said, while that is needed.
        said_at: when the partner wrote it (of a draft: the newest counts).
        call: the call that a draft belongs to.
    """

    key: Key
    state: State
    created_at: float
    changed_at: float
    step: int = 0
    ticket_id: str | None = None
    theirs: str | None = None
    reason: str = ""
    rule: str | None = None
    reopens: str | None = None
    matter: Mapping[str, Any] = field(default_factory=dict)
    said_at: float = 0.0
    call: str | None = None


@dataclass(slots=True)
class Letter:
    """A message to a partner, and how far it is."""

    partner: str
    message: Message
    delivery: Delivery


@dataclass(slots=True)
class Book:
    """What is remembered of handovers and of messages to partners (by partner and message id)."""

    handovers: dict[Key, Handover] = field(default_factory=dict)
    letters: dict[tuple[str, str], Letter] = field(default_factory=dict)


# -- inputs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Our desk hands a ticket over, or a draft along with a call."""

    key: Key
    matter: Matter
    ticket_id: str
    reopens: str | None = None
    reason: str = ""
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A partner's message; ``ticket_id`` is for the ticket that may come of it."""

    partner: str
    message: Message
    ticket_id: str = ""


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something of a partner's that is no message."""

    partner: str
    message_id: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Somebody at our desk takes a partner's ticket in, or gives it back.

    ``waiting``: only if nobody has decided yet; a leader may give back what was taken in.
    """

    key: Key
    accepted: bool
    reason: str = ""
    ticket_id: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The ticket that came of a partner's has been answered or closed."""

    key: Key
    result: str


@dataclass(frozen=True, slots=True)
class LetterDue:
    """A letter's deadline has come."""

    partner: str
    message_id: str


Input = Send | Heard | Garbled | Decide | Ended | LetterDue

# -- effects ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Publish:
    """Hand a message to the broker; if that fails it is repeated by itself, or not needed."""

    partner: str
    message: Message


@dataclass(frozen=True, slots=True)
class TakeIn:
    """Make a ticket of ours; ``reopens``: our finished one that it takes up again."""

    ticket_id: str
    partner: str
    matter: Mapping[str, Any]
    reason: str
    reopens: str | None


@dataclass(frozen=True, slots=True)
class PassOn:
    """Note that the partner has our ticket."""

    ticket_id: str
    partner: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Note that the partner gave our ticket back."""

    ticket_id: str
    partner: str
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close our ticket with what the partner did."""

    ticket_id: str
    partner: str
    result: str


@dataclass(frozen=True, slots=True)
class PutAway:
    """End the ticket that came of a partner's: it went back to him."""

    ticket_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Tell of a handover's new state."""

    handover: Handover


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tell somebody that a partner does not hear, or refuses, a message."""

    partner: str
    message_id: str
    why: str


@dataclass(frozen=True, slots=True)
class AlarmOver:
    """He has it after all."""

    partner: str
    message_id: str


Effect = Publish | TakeIn | PassOn | GiveBack | Close | PutAway | Changed | Alarm | AlarmOver


class Exchange:
    """The exchange with all partners.

    Args:
        book: what is remembered.
        judge: decides about a partner's ticket (`tickets.exchange.intake`).
        alarm_seconds: without an acknowledgement after so long somebody is told.
    """

    def __init__(
        self,
        book: Book,
        *,
        judge: Callable[[TicketMessage], Verdict],
        alarm_seconds: float = delivery.ALARM_SECONDS,
    ) -> None:
        self.book = book
        self._judge = judge
        self._alarm_seconds = alarm_seconds

    @property
    def deadline(self) -> float | None:
        """When the next letter wants LetterDue."""
        times = (letter.delivery.deadline for letter in self.book.letters.values())
        return min((time for time in times if time is not None), default=None)

    def handle(  # noqa: PLR0911 - one arm per input, nothing else
        self, event: Input, now: float
    ) -> list[Effect]:
        """Take an input.

        Raises:
            ExchangeError: our desk asks for something that cannot be.
        """
        match event:
            case Send():
                return self._send(event, now)
            case Heard(partner, AckMessage() as ack):
                return self._delivery((partner, ack.of), Acked(ack.error), now)
            case Heard():
                return self._heard(event, now)
            case Garbled(partner, message_id, error):
                return [] if message_id is None else [_ack(partner, message_id, now, error)]
            case Decide():
                return self._decide(event, now)
            case Ended():
                return self._ended(event, now)
            case LetterDue(partner, message_id):
                return self._delivery((partner, message_id), Due(), now)
        assert_never(event)

    # -- letters -----------------------------------------------------------------------------------

    def _post(self, partner: str, message: Message, now: float) -> list[Effect]:
        which = (partner, message.id)
        self.book.letters[which] = Letter(
            partner, message, Delivery(now, now, alarm_seconds=self._alarm_seconds)
        )
        return self._delivery(which, Due(), now)

    def _delivery(
        self, which: tuple[str, str], event: delivery.DeliveryInput, now: float
    ) -> list[Effect]:
        letter = self.book.letters.get(which)
        if letter is None:
            return []
        effects: list[Effect] = []
        for effect in letter.delivery.handle(event, now):
            match effect:
                case delivery.Publish():
                    effects.append(Publish(letter.partner, letter.message))
                case delivery.Alarm(why):
                    effects.append(Alarm(*which, why))
                case delivery.AlarmOver():
                    effects.append(AlarmOver(*which))
        return effects

    # -- what we hand over -------------------------------------------------------------------------

    def _send(self, event: Send, now: float) -> list[Effect]:
        key = event.key
        known = self.book.handovers.get(key)
        if known is not None and key.kind == "ticket":
            raise ExchangeError("already_sent", f"{key.number} was handed to {key.partner} before")
        if not event.matter.model_dump(exclude_none=True):
            raise ExchangeError("not_shared", f"{key.partner} may be given no field of a ticket")
        handover = known or Handover(key, "sent", now, now)
        handover.changed_at, handover.step = now, handover.step + 1
        handover.ticket_id, handover.call = event.ticket_id, event.call
        handover.reopens, handover.reason = event.reopens, event.reason
        self.book.handovers[key] = handover
        name = f"{key.kind}:{key.number}:{handover.step}"
        message: Message
        if key.kind == "draft":
            message = DraftMessage(
                id=name, at=now, number=key.number, matter=event.matter, call=event.call
            )
            return [*self._post(key.partner, message, now), Changed(handover)]
        message = TicketMessage(
            id=name,
            at=now,
            number=key.number,
            matter=event.matter,
            reopens=event.reopens,
            reason=event.reason,
        )
        handover.step = 0  # the partner counts what he makes of it
        posted = self._post(key.partner, message, now)
        return [PassOn(event.ticket_id, key.partner), *posted, Changed(handover)]

    def _on_state(self, partner: str, message: StateMessage, now: float) -> list[Effect]:
        handover = self.book.handovers.get(Key(partner, "out", "ticket", message.number))
        if handover is None:
            return [_ack(partner, message.id, now, f"no ticket {message.number} was handed over")]
        acked = _ack(partner, message.id, now)
        # Whoever decides about it has it.
        first = (partner, f"ticket:{message.number}:1")
        effects: list[Effect] = [acked, *self._delivery(first, Acked(), now)]
        if message.step <= handover.step or handover.state in {"returned", "finished"}:
            return effects  # told again, or overtaken by a later one
        handover.step, handover.state, handover.changed_at = message.step, message.state, now
        handover.reason, handover.theirs = message.reason, message.theirs or handover.theirs
        if handover.ticket_id is not None and message.state == "returned":
            effects.append(GiveBack(handover.ticket_id, partner, message.reason))
        elif handover.ticket_id is not None and message.state == "finished":
            effects.append(Close(handover.ticket_id, partner, message.reason))
        return [*effects, Changed(handover)]

    # -- what partners hand over -------------------------------------------------------------------

    def _heard(self, event: Heard, now: float) -> list[Effect]:
        match event.message:
            case TicketMessage() as ticket:
                return self._on_ticket(event.partner, ticket, event.ticket_id, now)
            case DraftMessage() as draft:
                return self._on_draft(event.partner, draft, now)
            case StateMessage() as state:
                return self._on_state(event.partner, state, now)
            case _:
                return []

    def _on_draft(self, partner: str, message: DraftMessage, now: float) -> list[Effect]:
        acked = _ack(partner, message.id, now)
        key = Key(partner, "in", "draft", message.number)
        known = self.book.handovers.get(key)
        if known is not None and message.at <= known.said_at:
            return [acked]
        handover = known or Handover(key, "arrived", now, now)
        handover.changed_at, handover.said_at = now, message.at
        handover.matter, handover.call = _plain(message.matter), message.call
        self.book.handovers[key] = handover
        return [acked, Changed(handover)]

    def _on_ticket(
        self, partner: str, message: TicketMessage, ticket_id: str, now: float
    ) -> list[Effect]:
        acked = _ack(partner, message.id, now)
        key = Key(partner, "in", "ticket", message.number)
        if key in self.book.handovers:
            return [acked]  # what was decided about it is told by a letter of its own
        handover = Handover(
            key,
            "arrived",
            now,
            now,
            reopens=message.reopens,
            reason=message.reason,
            matter=_plain(message.matter),
            said_at=message.at,
        )
        self.book.handovers[key] = handover
        verdict, old = self._verdict(partner, message)
        handover.rule = verdict.rule
        match verdict.what:
            case "accept":
                return [acked, *self._accept(handover, ticket_id, old, now)]
            case "return":
                return [acked, *self._return(handover, verdict.reason, now)]
            case "ask":
                return [acked, Changed(handover)]

    def _verdict(self, partner: str, message: TicketMessage) -> tuple[Verdict, Handover | None]:
        if message.reopens is None:
            return self._judge(message), None
        old = self._older(partner, message.reopens)
        if old is None:
            return Verdict("return", f"没有编号为{message.reopens}的工单，无法再处置"), None
        if old.state in {"arrived", "accepted", "sent"}:
            return Verdict("return", f"工单{message.reopens}仍在办理，无需再处置"), None
        if old.state == "returned" or old.key.direction == "out":
            return self._judge(message), None
        return Verdict("accept", rule="再处置"), old

    def _older(self, partner: str, number: str) -> Handover | None:
        keys = (Key(partner, "in", "ticket", number), Key(partner, "out", "ticket", number))
        return next((self.book.handovers[key] for key in keys if key in self.book.handovers), None)

    def _decide(self, event: Decide, now: float) -> list[Effect]:
        handover = self.book.handovers[event.key]
        if not event.accepted and not event.reason.strip():
            raise ExchangeError("required", "what is returned needs a reason")
        may_be = {"arrived"} if event.accepted or event.waiting else {"arrived", "accepted"}
        if handover.key.kind != "ticket" or handover.state not in may_be:
            raise ExchangeError("not_now", f"it is {handover.state}, not {' or '.join(may_be)}")
        if event.accepted:
            old = self._older(handover.key.partner, handover.reopens) if handover.reopens else None
            finished = old if old is not None and old.state == "finished" else None
            return self._accept(handover, event.ticket_id, finished, now)
        ticket_id = handover.ticket_id
        put_away: list[Effect] = [PutAway(ticket_id, event.reason)] if ticket_id else []
        return [*put_away, *self._return(handover, event.reason, now)]

    def _ended(self, event: Ended, now: float) -> list[Effect]:
        handover = self.book.handovers[event.key]
        if handover.state != "accepted":
            return []
        return self._tell(handover, "finished", event.result, now)

    def _accept(
        self, handover: Handover, ticket_id: str, old: Handover | None, now: float
    ) -> list[Effect]:
        reopened = old.ticket_id if old is not None and old.key.direction == "in" else None
        partner, matter = handover.key.partner, handover.matter
        taken = TakeIn(ticket_id, partner, matter, handover.reason, reopened)
        # From now on what was said stands in the ticket alone.
        handover.ticket_id, handover.matter = ticket_id, {}
        return [taken, *self._tell(handover, "accepted", "", now)]

    def _return(self, handover: Handover, reason: str, now: float) -> list[Effect]:
        handover.matter = {}
        return self._tell(handover, "returned", reason, now)

    def _tell(
        self,
        handover: Handover,
        state: Literal["accepted", "returned", "finished"],
        reason: str,
        now: float,
    ) -> list[Effect]:
        handover.state, handover.reason, handover.changed_at = state, reason, now
        handover.step += 1
        number = handover.key.number
        message = StateMessage(
            id=f"state:{number}:{handover.step}",
            at=now,
            number=number,
            step=handover.step,
            state=state,
            reason=reason,
            theirs=handover.ticket_id,
        )
        return [*self._post(handover.key.partner, message, now), Changed(handover)]


def _ack(partner: str, message_id: str, now: float, error: str | None = None) -> Publish:
    name = f"ack:{message_id}"[:_LONGEST_ID]
    return Publish(partner, AckMessage(id=name, at=now, of=message_id, error=error))


def _plain(matter: Matter) -> dict[str, Any]:
    return matter.model_dump(exclude_none=True)
