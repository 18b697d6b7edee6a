"""More than three in a call: the part of its machine that seats further parties."""

from calls.call_effects import CallEffect, FinishAgent, HandOver, HangUpLeg, TransferStep
from calls.call_facts import CallFacts, Guest, Transfer
from calls.call_terms import TransferStage
from calls.errors import TransferError
from calls.party import Party
from calls.supervision_events import TakerLeft

#: So many hear each other in one bridge (``telephony.media``).
MOST_PARTIES = 8


class CallConference(CallFacts):
    """A call in which others talk along with its holder."""

    def _check_room(self) -> None:
        """Refuse one more than can be mixed."""
        present = 2 + len(self.guests) + (self._transfer is not None)
        if present + (self.supervised is not None) >= MOST_PARTIES:
            raise TransferError("call_full")

    def _seat_merged(self) -> None:
        """Let the target that was merged stay as a guest, so that another can be called."""
        transfer = self._transfer
        if transfer is not None and transfer.party is not None and transfer.merged:
            self.guests.append(Guest(transfer.party, transfer.target, transfer.agent_id))
            self._transfer = None

    def _guest(self, leg: str) -> Guest | None:
        return next((guest for guest in self.guests if guest.party.leg == leg), None)

    def _let_go(self, guest: Guest, now: float, *, gone: bool = False) -> list[CallEffect]:
        """End a guest's part; everybody else goes on."""
        self.guests.remove(guest)
        left = TransferStep("left", guest.target, "conference", guest.agent_id)
        return [left, *self._leave(guest.party, now, "conferred", gone=gone)]

    def _pass_to_guest(self, now: float, *, gone: bool = False) -> list[CallEffect]:
        """Let a guest hold the call, an agent rather than somebody outside; the holder leaves."""
        before = self.holder
        heir = next((guest for guest in self.guests if guest.party.agent_id), self.guests[0])
        self.guests.remove(heir)
        self.holder = heir.party
        return [
            TransferStep("completed", heir.target, "conference", heir.agent_id),
            HandOver(before, heir.party),
            *self._leave(before, now, "transferred", gone=gone, why="transferred"),
        ]

    @staticmethod
    def _step(
        stage: TransferStage,
        transfer: Transfer,
        *,
        outcome: str | None = None,
        status: int = 200,
    ) -> TransferStep:
        return TransferStep(
            stage, transfer.target, transfer.mode, transfer.agent_id, outcome, status
        )

    @staticmethod
    def _leave(
        party: Party | None,
        now: float,
        outcome: str,
        *,
        gone: bool = False,
        why: str | None = None,
    ) -> list[CallEffect]:
        """End a party's part; ``gone``: he has hung up himself."""
        if party is None:
            return []
        party.segment.end(now, outcome)
        effects: list[CallEffect] = [] if gone else [HangUpLeg(party.leg, why)]
        if party.agent_id is not None and party.token is not None:
            effects.append(FinishAgent(party.agent_id, party.token))
        elif party.agent_id is not None and party.segment.summons.how == "take_over":
            effects.append(TakerLeft(party.agent_id))
        return effects
