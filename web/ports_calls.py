"""What the web layer needs of calls: live ones, records, the call-back list; in Unix seconds."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from calls.callbacks import Outcome, Scheduled
from calls.ladders import Ladder
from calls.redaction import Redacted, Span
from eventbus.catalogue import CallHelp
from tickets.life import Step


class LiveCall(Protocol):
    """A call in progress; ``state`` is waiting, offered or talking."""

    @property
    def call_id(self) -> str: ...  # noqa: D102
    @property
    def line(self) -> str: ...  # noqa: D102
    @property
    def caller(self) -> str | None: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def agent_id(self) -> str | None: ...  # noqa: D102
    @property
    def arrived_at(self) -> float: ...  # noqa: D102
    @property
    def answered_at(self) -> float | None: ...  # noqa: D102
    @property
    def ticket_id(self) -> str | None: ...  # noqa: D102
    @property
    def direction(self) -> str: ...  # noqa: D102
    @property
    def transfer_to(self) -> str | None: ...  # noqa: D102
    @property
    def transfer_stage(self) -> str | None: ...  # noqa: D102
    @property
    def parties(self) -> Sequence[Mapping[str, str]]: ...  # noqa: D102
    @property
    def supervisor(self) -> str | None: ...  # noqa: D102
    @property
    def supervision(self) -> str | None: ...  # noqa: D102
    @property
    def held_by(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def partner(self) -> str | None: ...  # noqa: D102
    @property
    def reference(self) -> str | None: ...  # noqa: D102
    @property
    def muted(self) -> bool: ...  # noqa: D102


class CallControls(Protocol):
    """What an agent does to his call at the desk (``calls/controls.py``)."""

    def hold(self, *, held: bool) -> None:
        """Put the citizen on hold or take him back; raise ``TransferError``."""

    def pick_up(self, agent_id: str) -> None:
        """Have his ringing phone answer; raise ``TransferError``."""

    def mute(self, *, muted: bool) -> None:
        """Let nobody hear the agent, or everybody again; raise ``TransferError``."""

    async def press(self, keys: str) -> None:
        """Press keys towards those who hear him; raise ``TransferError``."""


class Calls(Protocol):
    """Calls, their records and their tickets (``calls/service.py`` describes the dicts)."""

    def live(self) -> Sequence[LiveCall]:
        """Return the calls in progress on this node."""

    async def hang_up(self, call_id: str, *, agent_id: str) -> None:
        """End a live call, or refuse it if it is only held out to him; raise ``UnknownCall``."""

    async def transfer(
        self,
        call_id: str,
        target: str,
        mode: Literal["blind", "consult", "conference"],
        *,
        agent_id: str,
        reason: str | None = None,
    ) -> None:
        """Begin a transfer; raise ``UnknownCall`` or ``TransferError``."""

    async def transfer_step(self, call_id: str, step: str) -> None:
        """Complete, cancel, swap or merge; raise ``UnknownCall`` or ``TransferError``."""

    async def supervise(
        self,
        call_id: str,
        mode: Literal["listen", "whisper", "barge", "take_over"],
        *,
        supervisor: str,
    ) -> None:
        """Bring a supervisor into a call; raise ``UnknownCall`` or ``TransferError``."""

    def end_supervision(self, call_id: str, *, supervisor: str) -> None:
        """Let him go out of it; raise ``UnknownCall`` or ``TransferError``."""

    async def assign(self, call_id: str, agent_id: str) -> None:
        """Hold a waiting call out to him first; raise ``UnknownCall`` or ``TransferError``."""

    async def one_key(
        self, call_id: str, partner_id: str, *, agent_id: str, reason: str | None = None
    ) -> None:
        """Do what a partner's one key does; raise ``UnknownCall`` or ``TransferError``."""

    def drop(self, call_id: str, party: str) -> None:
        """Let a party go; raise ``UnknownCall`` or ``TransferError``."""

    def experts(self, topic: str = "") -> list[dict[str, Any]]:
        """Return specialists: id, name, topics, target, on_duty."""

    def partners(self) -> list[dict[str, Any]]:
        """Return the directory: id, name, numbers, open, health, one_key, shares."""

    def controls(self, call_id: str) -> CallControls:
        """Return a live call's hold, mute and keys; raise ``UnknownCall``."""

    def lines(self) -> dict[str, str]:
        """Return the lines' names, by number."""

    def skills(self) -> Collection[str]:
        """Return the skills that calls can be transferred to."""

    def places(self, typed: str, *, limit: int) -> list[tuple[str, str, int]]:
        """Return names that complete what was typed: name, kind, from which character on."""

    async def withheld_number(self, call_id: str) -> str | None:
        """Return the number of a caller who withholds it, or None."""

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """Return a call's record, or None."""

    async def calls(
        self, *, agent_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return records, newest first."""

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        """Return the utterances of a call in order."""

    async def pause_recording(self, call_id: str, *, paused: bool) -> None:
        """Stop recording, or go on; raise ``UnknownCall``, ``RecordingError``."""

    async def is_intact(self, call_id: str, *, part: int = 1) -> bool | None:
        """Whether the recording is what was recorded; None where that is not known."""

    async def recording(self, call_id: str, *, part: int = 1) -> Path | None:
        """Return where the stereo WAV lies, sealed perhaps, or None."""

    def one_side(self, path: Path, side: Literal["caller", "agent"]) -> tuple[int, Iterator[bytes]]:
        """Return one side as mono WAV: its length and octets; raise ``SealError``. Blocking."""

    def unsealed_octets(self, path: Path) -> int:
        """Return how long a sealed one is as WAV; raise ``SealError``. Blocking."""

    def unsealed(self, path: Path, first: int, last: int) -> Iterator[bytes]:
        """Yield those octets of a sealed one's WAV; raise ``SealError``. Blocking."""

    async def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        """Return a ticket, live or stored, or None."""

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return the caller's earlier tickets, newest first, a few facts of each."""

    async def history_of_caller(self, number: str) -> list[dict[str, Any]]:
        """Return the earlier tickets of a number, newest first, a few facts of each."""

    def categories(self) -> list[dict[str, Any]]:
        """Return the category tree: ``[{"name", "topics"}]``."""

    async def tickets(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return tickets, newest first; status: draft, submitted or None for both."""

    async def correct(
        self, ticket_id: str, changes: Mapping[str, Any], *, agent_id: str
    ) -> dict[str, Any]:
        """Set fields by hand; raise ``TicketError``, ``UnknownTicket``, ``AlreadySubmitted``."""

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        """Submit and end the wrap-up; raise ``UnknownTicket``, ``AlreadySubmitted``."""

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        """Do something with a submitted ticket; raise ``UnknownTicket``, ``LifeError``."""

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return what was done with a ticket, oldest first: at, who, action, note, unit."""

    async def redact(self, call_id: str, span: Span) -> Redacted:
        """Silence a span of a recording; raise ``UnknownCall``, ``RedactionError``."""


class LadderSource(Protocol):
    """The SIP ladders of calls (``calls/ladders.py``)."""

    async def of(self, call_id: str) -> Ladder | None:
        """Return a call's ladder, or None."""


class Helper(Protocol):
    """Help for live calls (``calls/help.py``)."""

    def latest(self, call_id: str) -> CallHelp | None:
        """Return what was last said of a live call, or None."""


class CallBacks(Protocol):
    """The call-back list (``calls/callback_desk.py``)."""

    @property
    def hours(self) -> str:
        """When citizens should be called."""

    async def schedule(self, promise: Scheduled) -> dict[str, Any]:
        """Put a promised call on the list; raise ``CallBackError``."""

    async def list_(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return entries: open ones by when they are due, else the newest first."""

    async def call(self, entry_id: int, *, agent_id: str) -> None:
        """Ring the agent, then call; raise ``CallBackError``, ``TransferError``."""

    async def finish(
        self, entry_id: int, *, agent_id: str, outcome: Outcome, note: str | None
    ) -> None:
        """Close an entry; raise ``CallBackError``."""


class AfterCall(Protocol):
    """What calls came to (``calls/after_call.py``)."""

    @property
    def dispositions(self) -> Mapping[str, str]:
        """Code → name."""

    async def dispose(
        self, call_id: str, *, agent_id: str, code: str, note: str | None, at: float
    ) -> None:
        """Note it; raise ``UnknownDisposition``."""
