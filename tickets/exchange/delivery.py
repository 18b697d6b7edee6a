"""One message on its way to a partner: sent again, later and later, until it is acknowledged.

Pure. A broker's acknowledgement (QoS 1) says only that the broker has it; this is about the
partner's own, which says that he has kept it.
"""

from dataclasses import dataclass
from typing import Final

PAUSES: Final = (5.0, 15.0, 60.0, 300.0, 900.0)
"""Seconds until it is sent again after the first, second… time; the last one repeats."""
GIVE_UP_SECONDS: Final = 3 * 86400.0
"""How long it is sent: over a long weekend."""
ALARM_SECONDS: Final = 120.0
"""Without an acknowledgement after so long somebody is told."""


@dataclass(frozen=True, slots=True)
class Due:
    """The time has come that ``deadline`` names."""


@dataclass(frozen=True, slots=True)
class Acked:
    """The partner has it; ``error``: he cannot take it and will not."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """Hand it to the broker."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tell somebody; said once for each message."""

    why: str


@dataclass(frozen=True, slots=True)
class AlarmOver:
    """What the alarm was about is over: the acknowledgement has come."""


DeliveryInput = Due | Acked
DeliveryEffect = Publish | Alarm | AlarmOver


@dataclass(slots=True)
class Delivery:
    """One message.

    Attributes:
        created_at: when it was written.
        deadline: when it wants ``Due``; None: it is settled.
        attempts: how often it was sent.
        acked_at: when the partner acknowledged it.
        alarmed: whether somebody was told.
        error: why it will not be taken, or was given up.
    """

    created_at: float
    deadline: float | None
    attempts: int = 0
    acked_at: float | None = None
    alarmed: bool = False
    error: str | None = None
    alarm_seconds: float = ALARM_SECONDS

    @property
    def settled(self) -> bool:
        """Whether nothing more is done with it."""
        return self.deadline is None

    def handle(self, event: DeliveryInput, now: float) -> list[DeliveryEffect]:
        """Take an input; a settled message takes none."""
        if self.deadline is None:
            return self._late(event, now)
        match event:
            case Acked(None):
                self.deadline, self.acked_at, self.error = None, now, None
                return [AlarmOver()] if self.alarmed else []
            case Acked(error):
                self.deadline, self.error = None, error
                return self._alarm(f"refused: {error}", again=True)
            case Due() if now < self.deadline:
                return []
            case Due():
                return self._send(now)

    def _late(self, event: DeliveryInput, now: float) -> list[DeliveryEffect]:
        """Take an acknowledgement after it was given up: it has arrived after all."""
        if event != Acked() or self.acked_at is not None:
            return []
        self.acked_at, self.error = now, None
        return [AlarmOver()] if self.alarmed else []

    def _send(self, now: float) -> list[DeliveryEffect]:
        age = now - self.created_at
        if age > GIVE_UP_SECONDS:
            self.deadline, self.error = None, "given up: no acknowledgement"
            return self._alarm(self.error, again=True)
        self.attempts += 1
        pause = PAUSES[min(self.attempts, len(PAUSES)) - 1]
        # Not past the alarm's moment: it must not wait for the next repetition.
        until_alarm = self.alarm_seconds - age
        self.deadline = now + (min(pause, until_alarm) if until_alarm > 0 else pause)
        alarms = self._alarm("no acknowledgement") if until_alarm <= 0 else []
        return [Publish(), *alarms]

    def _alarm(self, why: str, *, again: bool = False) -> list[DeliveryEffect]:
        if self.alarmed and not again:
            return []
        self.alarmed = True
        return [Alarm(why)]
