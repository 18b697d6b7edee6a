"""Two exchanges joined by a network that loses, repeats and reorders."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tickets.exchange.intake import Verdict
from tickets.exchange.machine import (
    Alarm,
    Book,
    Decide,
    Effect,
    Ended,
    Exchange,
    Garbled,
    GiveBack,
    Heard,
    Input,
    Key,
    LetterDue,
    Publish,
    Send,
    TakeIn,
)
from tickets.exchange.messages import BadMessage, Matter, TicketMessage, read, write

MATTER = Matter(content="预付卡退款")


def take_all(_message: TicketMessage) -> Verdict:
    return Verdict("accept", rule="all")


@dataclass
class Side:
    """One of the two; its partner is called by the other's name."""

    name: str
    partner: str
    judge: Callable[[TicketMessage], Verdict] = take_all
    book: Book = field(default_factory=Book)
    taken: list[TakeIn] = field(default_factory=list)
    given_back: list[GiveBack] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    out: list[bytes] = field(default_factory=list)
    numbers: int = 0

    def feed(self, event: Input, now: float) -> list[Effect]:
        # Made anew each time: nothing is remembered but in the book, as after a restart.
        effects = Exchange(self.book, judge=self.judge).handle(event, now)
        for effect in effects:
            match effect:
                case Publish():
                    self.out.append(write(effect.message))
                case TakeIn():
                    self.taken.append(effect)
                case GiveBack():
                    self.given_back.append(effect)
                case Alarm():
                    self.alarms.append(effect)
                case _:
                    pass
        return effects

    def send(self, number: str, now: float, **more: str) -> None:
        key = Key(self.partner, "out", "ticket", number)
        self.feed(Send(key, MATTER, f"{self.name}-{number}", **more), now)

    def decide(self, number: str, now: float, *, accepted: bool, reason: str = "") -> None:
        key = Key(self.partner, "in", "ticket", number)
        self.feed(Decide(key, accepted, reason, self.next_id()), now)

    def end(self, number: str, now: float, result: str = "已办结") -> None:
        self.feed(Ended(Key(self.partner, "in", "ticket", number), result), now)

    def hear(self, payload: bytes, now: float) -> None:
        try:
            message = read(payload)
        except BadMessage as error:
            self.feed(Garbled(self.partner, error.id, str(error)), now)
            return
        self.feed(Heard(self.partner, message, self.next_id()), now)

    def next_id(self) -> str:
        self.numbers += 1
        return f"{self.name}-new-{self.numbers}"

    @property
    def deadline(self) -> float | None:
        return Exchange(self.book, judge=self.judge).deadline

    def due(self, now: float) -> None:
        for (partner, message_id), letter in list(self.book.letters.items()):
            if letter.delivery.deadline is not None and letter.delivery.deadline <= now:
                self.feed(LetterDue(partner, message_id), now)

    def state(self, direction: str, number: str) -> str:
        key = Key(self.partner, direction, "ticket", number)  # type: ignore[arg-type]
        return self.book.handovers[key].state


def pair(
    judge: Callable[[TicketMessage], Verdict] = take_all,
) -> tuple[Side, Side]:
    return Side("12345", "110", judge), Side("110", "12345", judge)


def settle(ours: Side, theirs: Side, now: float) -> float:
    """Let both talk over a network that works until nothing is under way; return the time."""
    for _ in range(10_000):
        while ours.out or theirs.out:
            for one, other in ((ours, theirs), (theirs, ours)):
                payloads, one.out[:] = list(one.out), []
                for payload in payloads:
                    other.hear(payload, now)
        times = [side.deadline for side in (ours, theirs) if side.deadline is not None]
        if not times:
            return now
        now = max(now, min(times))
        ours.due(now)
        theirs.due(now)
    raise AssertionError("never quiet")
