"""What every call's owner works with; one for all calls of a node."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.floor import Floor
from calls.attending.attendant import Attending
from calls.audio_policy import G711_ONLY, AudioPolicy
from calls.errors import TransferError
from calls.partner_health import PartnerHealth
from calls.ports import Carry, PlaceCall
from calls.records import CallRecords
from calls.routing import Route, anybody
from calls.supervision_events import SupervisionStep, TakerLeft
from calls.targets import NumberTarget, Target
from eventbus.bus import EventBus
from eventbus.precedence import Precedence
from telephony.bindings import Binding, BindingStore
from telephony.gateway import SipGateway
from telephony.media_commands import MediaCommands

if TYPE_CHECKING:
    from calls.conversation import Conversation
    from calls.owner import CallOwner

#: How a call's places are told apart on the floor: the call's own has its name alone.
SEAT_MARK = "/"


def _no_partner(asked: str) -> NumberTarget:  # noqa: ARG001 -- nobody is known
    raise TransferError("unknown_target")


def _nowhere(role: str, number: str) -> bool:  # noqa: ARG001 -- nobody is known
    return False


@dataclass(frozen=True, slots=True)
class Facilities:
    """What every call's owner works with; one for all calls of a node."""

    gateway: SipGateway
    bindings: BindingStore
    media: MediaCommands
    floor: Floor
    records: CallRecords
    bus: EventBus
    converse: Callable[["CallOwner"], "Conversation"]
    place_call: PlaceCall
    resolve: Callable[[str, str], Awaitable[Target]]
    tie: Callable[[str, str], None]
    on_supervision: Callable[[SupervisionStep | TakerLeft], None]
    wall_clock: Callable[[], float]
    no_answer_seconds: float
    partner_seconds: float
    carry: Carry
    secure_phones: bool
    media_host: str
    recordings: Path | None
    audio: AudioPolicy = G711_ONLY
    music: Path | None = None
    attending: Attending | None = None
    on_outgoing_answered: Callable[[str], None] = lambda _call: None
    health: PartnerHealth = field(default_factory=PartnerHealth)
    precedence: Precedence = field(default_factory=Precedence)
    route: Route = anybody
    partner: Callable[[str], NumberTarget] = _no_partner
    may_be_sent_to: Callable[[str, str], bool] = _nowhere  # (role, number): by a 3xx

    def phone_audio(self, agent_id: str, binding: Binding) -> dict[str, bool]:
        """Return how an agent's phone is offered audio, as ``CallAudio.offer`` takes it."""
        return {
            # A key in a description is worth as much as the way it goes (RFC 4568 §7).
            "secured": self.secure_phones and binding.transport == "TLS",
            "dtls": agent_id in self.audio.dtls_phones,
            "browser": binding.is_browser,
        }
