"""Whether a trunk works: a machine that asks with OPTIONS and watches what becomes of calls.

A trunk is taken for working until it fails. It is down after some failures in a row, or at once
for as long as it says with a 503 and Retry-After (RFC 3261 §21.5.4: the client "SHOULD attempt to
forward the request to an alternate server" and "SHOULD NOT forward any other requests to that
server for the duration specified in the Retry-After header field"). It comes back by itself after
some answers in a row; where it is not asked, after a while, on trial.
"""

from dataclasses import dataclass

OVERLOADED = "overloaded (503)"

# Inputs


@dataclass(frozen=True, slots=True)
class Opened:
    """The node has started: begin to ask."""


@dataclass(frozen=True, slots=True)
class Answered:
    """It has answered something: a probe, or a call's INVITE with any response but a 503."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A probe, or a call's INVITE, got no answer or could not be sent."""

    reason: str
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Overloaded:
    """It has answered 503; ``retry_after`` in seconds, None where it did not say."""

    retry_after: float | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class TimeUp:
    """The deadline has passed."""


HealthInput = Opened | Answered | Failed | Overloaded | TimeUp

# Effects


@dataclass(frozen=True, slots=True)
class Probe:
    """Send an OPTIONS; tell Answered, Failed or Overloaded with ``probe`` set."""


@dataclass(frozen=True, slots=True)
class Changed:
    """It went down, for this reason, or came up."""

    up: bool
    reason: str | None = None


HealthEffect = Probe | Changed


@dataclass(frozen=True, slots=True)
class HealthTimes:
    """How it is asked; seconds.

    Attributes:
        interval: between two probes while all is well; None: never ask.
        retry: between two probes while it is not.
        answer: how long one may take.
        trial: how long a trunk that is not asked stays down.
        failures: so many in a row take it out.
        successes: so many in a row bring it back.
    """

    interval: float | None = 5.0
    retry: float = 1.0
    answer: float = 2.0
    trial: float = 30.0
    failures: int = 2
    successes: int = 2


class TrunkHealth:
    """The machine.

    Attributes:
        up: whether calls may be sent there.
        reason: why it is down.
        deadline: when `handle` wants TimeUp; None: never.
    """

    def __init__(self, times: HealthTimes) -> None:
        self.up = True
        self.reason: str | None = None
        self.deadline: float | None = None
        self._times = times
        self._waiting = False  # a probe is under way
        self._in_a_row = 0  # failures while up, answers while down
        self._closed_until = 0.0  # by Retry-After

    def handle(self, event: HealthInput, now: float) -> list[HealthEffect]:
        """Take one input, return what is to be done."""
        match event:
            case Opened():
                return self._ask(now) if self._times.interval is not None else []
            case TimeUp():
                return self._time_up(now)
            case Answered(probe) | Failed(_, probe) | Overloaded(_, probe) if probe:
                if not self._waiting:
                    return []  # too late: its time was up before
                self._waiting = False
        effects = self._judge(event, now)
        self._plan(now)
        return effects

    def _judge(self, event: Answered | Failed | Overloaded, now: float) -> list[HealthEffect]:
        match event:
            case Answered():
                return self._answered(now)
            case Failed(reason):
                return self._failed(reason)
            case Overloaded(retry_after):
                if retry_after is None:
                    # §21.5.4: without it "the client MUST act as if it had received a 500"
                    return self._failed(OVERLOADED)
                self._closed_until = max(self._closed_until, now + retry_after)
                self._in_a_row = 0
                return self._turn(up=False, reason=OVERLOADED) if self.up else []

    def _ask(self, now: float) -> list[HealthEffect]:
        self._waiting = True
        self.deadline = now + self._times.answer
        return [Probe()]

    def _time_up(self, now: float) -> list[HealthEffect]:
        if self.deadline is None or now < self.deadline:
            return []
        if self._waiting:
            return self.handle(Failed("no answer to OPTIONS", probe=True), now)
        if self._times.interval is not None:
            return self._ask(now)
        self.deadline = None
        return [] if self.up else self._turn(up=True, reason=None)

    def _answered(self, now: float) -> list[HealthEffect]:
        if self.up:
            self._in_a_row = 0
            return []
        if now < self._closed_until:
            return []
        self._in_a_row += 1
        came_back = self._in_a_row >= self._times.successes
        return self._turn(up=True, reason=None) if came_back else []

    def _failed(self, reason: str) -> list[HealthEffect]:
        if not self.up:
            self._in_a_row = 0
            return []
        self._in_a_row += 1
        gone = self._in_a_row >= self._times.failures
        return self._turn(up=False, reason=reason) if gone else []

    def _turn(self, *, up: bool, reason: str | None) -> list[HealthEffect]:
        self.up, self.reason, self._in_a_row = up, reason, 0
        return [Changed(up, reason)]

    def _plan(self, now: float) -> None:
        """Say when to ask next, or to try again."""
        if self._waiting:
            return
        if (pause := self._times.interval) is not None:
            well = self.up and not self._in_a_row
            pause = pause if well else self._times.retry
        elif self.up:
            self.deadline = None
            return
        else:
            pause = self._times.trial
        self.deadline = now + pause if self.up else max(now + pause, self._closed_until)
