"""A call of ours that may go several ways: the next is tried when one fails before the answer.

The ways are trunks, or addresses of one (RFC 3263 §4.3). A trunk that says nothing at all is given
up long before its transaction times out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from telephony.sip.dialog import Dialog, OutgoingRequest
from telephony.sip.hop import Destination
from telephony.sip.identity import isdn_cause
from telephony.sip.invite_usage import (
    Attempt,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Report,
    RequestFailed,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegAnswered, LegEnded, LegRinging
from telephony.sip.message import NO_ANSWER, RINGING, UNAVAILABLE, retry_after
from telephony.sip.outbound_leg import OutboundLeg

ANSWER_SECONDS = 4.0
#: What another trunk may do better. 4xx that speak of the number or of whom we called are final:
#: to hunt after a 403 would find the one trunk on which somebody forgot to bar that number.
_NEXT = frozenset({401, 407, 408, 430, 500, 502, 503, 504})
_NOBODY_CAME = 19  # Q.850: "no answer from user (user alerted)"
_CSEQ_STEP = 100  # leaves room for repeats with credentials and for redirections


@dataclass(slots=True)
class _Way:
    name: str
    leg: OutboundLeg
    address: Destination
    answer_seconds: float
    last: bool  # of its trunk's addresses: only then is the trunk at fault
    reported: bool = False
    rung: bool = False
    retry_after: float | None = None


class HuntingLeg:
    """The machine of an outgoing call with several ways; to its shell it is an `OutboundLeg`.

    Args:
        ways: (name, machine that has not started), in the order to try them; at least one. All have
            one Call-ID and tag, as `next_invite` gives them. Those of one name, which stand
            together, are addresses of one trunk.
        answer_seconds: how long a trunk may say nothing at all; its addresses share it.

    Attributes:
        over: whether LegEnded was told.
    """

    def __init__(
        self, ways: Sequence[tuple[str, OutboundLeg]], *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.over = False
        counts = Counter(name for name, _ in ways)
        following = [name for name, _ in ways[1:]]
        self._ways = [
            _Way(
                name,
                leg,
                leg.invite.destination,
                answer_seconds / counts[name],
                last=name != after,
            )
            for (name, leg), after in zip_longest(ways, following)
        ]
        self._now_on = 0
        self._give_up_at: float | None = None
        self._settled = False  # answered, or hung up by the owner: no other way is tried
        self._sent: dict[OutgoingRequest, _Way] = {}

    @property
    def _way(self) -> _Way:
        return self._ways[self._now_on]

    @property
    def invite(self) -> OutgoingRequest:
        """The INVITE of the way that is being tried."""
        return self._way.leg.invite

    @property
    def dialog(self) -> Dialog | None:
        """The dialog, once there is one."""
        return self._way.leg.dialog

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        """The dialogs of the way that is being tried, early ones too."""
        return self._way.leg.dialogs

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed."""
        if self.over:
            return None
        times = (self._give_up_at, *(way.leg.deadline for way in self._ways))
        return min((at for at in times if at is not None), default=None)

    def start(self, now: float) -> list[LegEffect]:
        """Return the first effects; none when the owner has already hung up."""
        return [] if self.over else self._try(now)

    @property
    def first_way(self) -> str:
        """The name of the way that is tried first; its "trying" is not reported."""
        return self._ways[0].name

    def handle(self, event: LegInput, now: float) -> list[LegEffect]:
        """Take one input, return what is to be done."""
        match event:
            case GotResponse(to) | RequestFailed(to):
                way = self._sent.get(to)
                return [] if way is None else self._peer(way, event, now)
            case TimePassed():
                return self._time_passed(event, now)
            case HangUp():
                self._settled = True
                self._give_up_at = None
        return self._step(self._way, event, now)

    def _try(self, now: float) -> list[LegEffect]:
        return self._note(self._way, self._way.leg.start(), now)

    def _peer(self, way: _Way, event: GotResponse | RequestFailed, now: float) -> list[LegEffect]:
        """Take what a peer did, or did not do, about a request of ours."""
        effects: list[LegEffect] = []
        if isinstance(event, GotResponse):
            effects += self._heard(way, event)
        else:
            effects += self._silent(way, event.cause)
        return effects + self._step(way, event, now)

    def _silent(self, way: _Way, reason: str) -> list[LegEffect]:
        if way.reported:
            return []  # it has answered: who is silent is where it sent us
        way.reported = True
        return [Report(Attempt(way.name, "silent", reason=reason))] if way.last else []

    def _heard(self, way: _Way, event: GotResponse) -> list[LegEffect]:
        """Note the first sign of life; a 503 is one only of being overloaded."""
        if way is self._way:
            self._give_up_at = None
        if event.to.method == "INVITE" and isdn_cause(event.response) == _NOBODY_CAME:
            way.rung = True
        if event.response.status_code == UNAVAILABLE and event.to.method == "INVITE":
            way.reported = True
            way.retry_after = retry_after(event.response)
            overloaded = Attempt(way.name, "overloaded", retry_after=way.retry_after)
            return [Report(overloaded)] if way.last else []
        if way.reported:
            return []
        way.reported = True
        return [Report(Attempt(way.name, "answers"))]

    def _time_passed(self, event: TimePassed, now: float) -> list[LegEffect]:
        effects: list[LegEffect] = []
        for way in self._ways[: self._now_on + 1]:
            if way.leg.deadline is not None and way.leg.deadline <= now:
                effects += self._step(way, event, now)
        if self._give_up_at is None or now < self._give_up_at or self.over:
            return effects
        self._give_up_at = None
        effects += self._silent(self._way, "no answer to the INVITE")
        after = self._next(failed=True)
        if after is None:
            return effects  # its transaction may still get an answer
        return effects + self._go_on(after, now)

    def _step(self, way: _Way, event: LegInput, now: float) -> list[LegEffect]:
        return self._note(way, way.leg.handle(event, now), now)

    def _note(self, way: _Way, effects: list[LegEffect], now: float) -> list[LegEffect]:
        """Pass effects on; what a way that was given up tells is told to nobody."""
        passed: list[LegEffect] = []
        for effect in effects:
            match effect:
                case Tell() if way is not self._way:
                    continue
                case Tell(LegEnded() as ended) if (after := self._next_after(ended)) is not None:
                    return passed + self._go_on(after, now)
                case Tell(LegEnded()):
                    self.over = True
                    passed.append(Report(Attempt(way.name, "left")))
                case Tell(LegAnswered()):
                    self._settled = True
                case Tell(LegRinging(status)) if status == RINGING:
                    way.rung = True
                case SendRequest(request):
                    self._sent[request] = way
                    if request.method == "INVITE" and way is self._way and not self._settled:
                        self._give_up_at = now + way.answer_seconds
            passed.append(effect)
        return passed

    def _next_after(self, ended: LegEnded) -> int | None:
        """Return the place of the way to try after one has ended so, None: the call is over.

        RFC 3261 §21.4.9 lets a 408 be repeated, but once it has rung it says that nobody took the
        call: on the next trunk the same phone would ring for as long again. It has rung after a
        180, or where the network says so (`_NOBODY_CAME`). A 183 alone is no ringing: it is sent
        for announcements and before anybody is looked for, and by RFC 3398 §7.2.4.1 a gateway
        answers 408 only where nobody could be alerted (cause 18), and 480, which is final, where
        he was. In doubt the next trunk is tried, for 110 as for all: to be rung twice is a
        nuisance, to reach nobody in danger is more.
        """
        nobody_came = self._way.rung and ended.by == "remote" and ended.status == NO_ANSWER
        if ended.status not in _NEXT or nobody_came:
            return None
        return self._next(failed=ended.by == "failure" or ended.status == UNAVAILABLE)

    def _next(self, *, failed: bool) -> int | None:
        """Return the place of the next way that may do better.

        RFC 3263 §4.3 knows as failures of one address a 503, a transport failure, and that nothing
        was heard at all. Whatever else is said, after a ringing above all, the trunk itself says:
        its other addresses would say it again, and ring once more.

        Args:
            failed: the way has failed so.
        """
        way = self._way
        here = failed and not way.rung
        places = range(self._now_on + 1, 0 if self._settled else len(self._ways))
        return next((at for at in places if here or self._ways[at].name != way.name), None)

    def _go_on(self, to: int, now: float) -> list[LegEffect]:
        """Leave this way for another."""
        left = self._way
        self._now_on = to
        effects: list[LegEffect] = [Report(Attempt(left.name, "left"))]
        if self._way.name == left.name:
            failed = Attempt(
                left.name, "passed_over", retry_after=left.retry_after, address=left.address
            )
            effects.append(Report(failed))
        # If it answers after all it is cancelled, or acknowledged and hung up.
        effects += self._note(left, left.leg.handle(HangUp("another way was taken"), now), now)
        return [*effects, Report(Attempt(self._way.name, "trying")), *self._try(now)]


def next_invite(invite: OutgoingRequest, way: int) -> OutgoingRequest:
    """Return the INVITE as a certain way is to send it: with a CSeq number of its own.

    One Call-ID and tag for all ways, as §8.1.3.4 recommends for a request that is sent elsewhere; a
    number of its own, or a switch that two ways lead to would take the second for a merged request
    (§8.2.2.2).
    """
    return replace(invite, cseq=1 + way * _CSEQ_STEP)
