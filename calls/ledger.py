"""What is written down and published of one call: its record, its segments, its events."""

from calls.call import Call
from calls.call_effects import TransferStep
from calls.party import Segment
from calls.records import CallRecords
from calls.supervision_events import SupervisionStep
from calls.targets import name_of
from eventbus.bus import EventBus
from eventbus.catalogue import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallHeld,
    CallMuted,
    CallOffered,
    CallOfferFailed,
    CallResumed,
    CallSupervised,
    CallTransfer,
    CallWaiting,
)
from telephony.leg import Leg

LONGEST_NUMBER = 32
"""Characters kept of a caller's or dialled number: E.164 has 15, SIP's user part any."""


class CallLedger:
    """One call's entries.

    Args:
        call_id: the call.
        leg: the caller's leg.
        line: the dialled number that the call is counted for; "" for an agent's own call.
        called: whom an agent's own call is for.
        epoch: Unix time of the machine's time zero.
        partner: the partner who calls, by his own trunk.
    """

    def __init__(
        self,
        call_id: str,
        *,
        leg: Leg,
        line: str,
        called: str,
        records: CallRecords,
        bus: EventBus,
        epoch: float,
        partner: str | None = None,
    ) -> None:
        self.caller = leg.caller[:LONGEST_NUMBER] if leg.caller else None
        self._call_id = call_id
        self._leg = leg
        self._line = line
        self._called = called
        self._records = records
        self._bus = bus
        self._epoch = epoch
        self._partner = partner
        self._reference = leg.reference if partner is not None else None
        self._waiting_told = False

    def unix(self, moment: float | None) -> float | None:
        """Turn a time of the machine into Unix seconds."""
        return None if moment is None else moment + self._epoch

    def arrived(self, at: float, *, agent_id: str | None = None) -> None:
        """Note the call; with ``agent_id`` it is that agent's own."""
        outbound = agent_id is not None
        self._records.arrived(
            self._call_id,
            line=self._line,
            caller=None if outbound else self.caller,
            sip_call_id=self._leg.sip_call_id,
            arrived_at=at,
            direction="outbound" if outbound else "inbound",
            called=self._called[:LONGEST_NUMBER] if outbound else None,
            agent_id=agent_id,
            partner=self._partner,
            reference=self._reference,
            forwarded=[f"{place.number[:LONGEST_NUMBER]} {place.why[:32]}".strip()
                       for place in self._leg.forwardings],
        )  # fmt: skip
        if self._leg.identity.withheld and self._leg.identity.number:
            self._records.withheld(
                self._call_id, number=self._leg.identity.number[:LONGEST_NUMBER], at=at
            )
        if not outbound:
            self._bus.publish(
                CallArrived(
                    at=at,
                    call_id=self._call_id,
                    line=self._line,
                    caller=self.caller,
                    partner=self._partner,
                    reference=self._reference,
                )
            )

    def waiting(self, at: float) -> None:
        """Note that nobody was ready; said once."""
        if not self._waiting_told:
            self._waiting_told = True
            self._bus.publish(CallWaiting(at=at, call_id=self._call_id, line=self._line))

    def offered(self, at: float, agent_id: str, *, by: str | None) -> None:
        """Note that the call is held out to an agent; ``by``: who transfers it to him."""
        self._bus.publish(
            CallOffered(
                at=at,
                agent_id=agent_id,
                call_id=self._call_id,
                line=self._line,
                caller=self.caller,
                transferred_by=by,
                partner=self._partner,
                reference=self._reference,
            )
        )

    def offer_failed(self, at: float, agent_id: str, outcome: str) -> None:
        """Note that he did not take it."""
        self._bus.publish(
            CallOfferFailed(at=at, agent_id=agent_id, call_id=self._call_id, outcome=outcome)
        )

    def answered(self, call: Call, segment: Segment, *, ticket_id: str) -> None:
        """Note that an agent holds the call, or another hotline that none of ours was free for."""
        first = segment.answered_at == call.answered_at
        since = call.arrived_at if first else segment.offered_at
        at = self.unix(segment.answered_at) or 0.0
        values = {"agent_id": segment.agent_id}
        if first:
            self._records.change(
                self._call_id, answered_at=at, ticket_id=ticket_id or None, **values
            )
        else:
            self._records.change(self._call_id, **values)
        self._bus.publish(
            CallAnswered(
                at=at,
                agent_id=segment.agent_id,
                call_id=self._call_id,
                line=self._line,
                caller=self.caller,
                ticket_id=ticket_id,
                waited=(segment.answered_at or 0.0) - since,
                transferred_by=segment.summons.by,
                partner=self._partner,
                reference=self._reference,
            )
        )

    def held(self, at: float, party: str, *, agent_id: str | None, held: bool) -> None:
        """Note that a party holds the call, or is back."""
        told = CallHeld if held else CallResumed
        self._bus.publish(told(at=at, agent_id=agent_id, call_id=self._call_id, party=party))

    def muted(self, at: float, *, agent_id: str | None, muted: bool) -> None:
        """Note that nobody hears the agent, or everybody again."""
        told = CallMuted(at=at, agent_id=agent_id, call_id=self._call_id, muted=muted)
        self._bus.publish(told)

    def transfer(self, at: float, step: TransferStep) -> None:
        """Note how a transfer goes."""
        self._bus.publish(
            CallTransfer(
                at=at,
                agent_id=step.agent_id,
                call_id=self._call_id,
                stage=step.stage,
                target=name_of(step.target),
                mode=step.mode,
                outcome=step.outcome,
            )
        )

    def supervision(self, at: float, step: SupervisionStep) -> None:
        """Note what a supervisor does: his own matter, but that a call is taken from an agent."""
        taken = step.stage == "taken_over"
        self._bus.publish(
            CallSupervised(
                at=at,
                agent_id=step.agent_id if taken else step.supervisor,
                call_id=self._call_id,
                stage=step.stage,
                mode=step.mode,
                supervisor=step.supervisor,
                watched=step.agent_id,
                outcome=step.outcome,
            )
        )

    def ended(
        self,
        call: Call,
        *,
        recorded_seconds: float | None,
        recognised: bool,
        ticket_id: str,
        media: dict[str, dict[str, float | None]],
    ) -> None:
        """Complete the record."""
        for seq, segment in enumerate((*call.segments, *call.supervisions)):
            # A partner's call is counted with whoever took it, once.
            taken = self._partner is not None and segment.answered_at == call.answered_at
            came = taken and segment.agent_id is not None and call.answered_at is not None
            self._records.segment(
                self._call_id,
                seq,
                agent_id=segment.agent_id,
                kind=segment.kind,
                number=segment.number,
                partner=self._partner if came else segment.partner_id,
                direction="in" if came else "out" if segment.partner_id is not None else None,
                how=segment.summons.how,
                reason=segment.summons.reason,
                transferred_by=segment.summons.by,
                offered_at=self.unix(segment.offered_at),
                answered_at=self.unix(segment.answered_at),
                ended_at=self.unix(segment.ended_at),
                outcome=segment.outcome,
            )
        self._records.change(
            self._call_id,
            ended_at=self.unix(call.ended_at),
            outcome=call.outcome,
            ended_by=call.ended_by,
            recorded_seconds=recorded_seconds,
            recognised=recognised,
            media=media or None,
        )
        answered = call.answered_at is not None
        self._bus.publish(
            CallEnded(
                at=self.unix(call.ended_at) or 0.0,
                agent_id=call.agent_id,
                call_id=self._call_id,
                outcome=call.outcome or "failed",
                ended_by=call.ended_by or "system",
                talked=(call.ended_at or 0.0) - (call.answered_at or 0.0) if answered else 0.0,
                ticket_id=ticket_id if answered and ticket_id else None,
            )
        )
