"""What the web layer needs from the rest, one narrow protocol for each.

``calls/service.py``, ``agents/floor.py``, ``agents/accounts.py`` and ``eventbus/bus.py`` satisfy
these by shape; the tests' stand-ins do too. Times are Unix seconds.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from agents.accounts import NewAccount, Role
from calls.breaks import Allowance
from calls.callbacks import Outcome, Scheduled
from calls.documents import Book
from calls.finder import Sought
from calls.ladders import Ladder
from calls.prompt_shelf import Prompt
from calls.quality import Mark
from calls.redaction import Span
from calls.reporting.period import Period
from calls.reporting.report import Report
from eventbus.catalogue import CallHelp, Event
from tickets.help.knowledge import Entry
from tickets.help.knowledge_base import Found
from tickets.life import Step


class Account(Protocol):
    """Somebody who may sign in; ``role`` is agent, supervisor, inspector or admin."""

    @property
    def id(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def group(self) -> str | None: ...  # noqa: D102


class Accounts(Protocol):
    """The table of accounts."""

    async def verify(self, agent_id: str, password: str, *, source: str = "") -> Account | None:
        """Return the account, or None; raise ``TooManyAttempts`` while the login brake holds.

        ``source`` is the address that the attempt comes from.
        """

    async def get(self, agent_id: str) -> Account | None:
        """Return the account, or None."""

    async def list_(self) -> Sequence[Account]:
        """Return all accounts, by id."""

    async def create(self, account: NewAccount) -> Account:
        """Add an account; raise ``AccountExists``."""

    async def change(
        self,
        agent_id: str,
        *,
        name: str | None = None,
        role: Role | None = None,
        group: str | None = None,
    ) -> Account | None:
        """Change what is named; None: no such account."""

    async def set_password(self, agent_id: str, password: str) -> bool:
        """Change the desktop's password; False: no such account."""


class Presence(Protocol):
    """Where an agent stands."""

    @property
    def agent_id(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102
    @property
    def since(self) -> float: ...  # noqa: D102
    @property
    def phones(self) -> int: ...  # noqa: D102
    @property
    def call_id(self) -> str | None: ...  # noqa: D102
    @property
    def wrap_up_until(self) -> float | None: ...  # noqa: D102
    @property
    def pending(self) -> str | None: ...  # noqa: D102
    @property
    def pending_reason(self) -> str | None: ...  # noqa: D102


class Floor(Protocol):
    """The part of the shared floor that an agent works himself."""

    async def sign_in(self, agent_id: str) -> Presence:
        """Put the agent on the floor, not ready; keeps his state if he is there already."""

    async def sign_out(self, agent_id: str) -> Presence:
        """Take the agent off the floor; while a call holds him, after that call."""

    async def set_ready(self, agent_id: str) -> Presence:
        """Be ready; raise ``PresenceError`` when signed out."""

    async def set_not_ready(self, agent_id: str, reason: str) -> Presence:
        """Take a break; while a call holds the agent, after it."""

    async def end_wrap_up(self, agent_id: str) -> Presence:
        """End wrap-up; in any other state nothing happens."""

    async def extend_wrap_up(self, agent_id: str) -> Presence:
        """Put the end of wrap-up off, once; raise ``PresenceError`` when that cannot be."""

    async def presence(self, agent_id: str) -> Presence | None:
        """Return where the agent stands; None when the floor never heard of him."""

    async def everyone(self) -> Sequence[Presence]:
        """Return all agents that the floor knows."""


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

    async def redact(self, call_id: str, span: Span) -> float:
        """Silence a span of a recording; raise ``UnknownCall``, ``RedactionError``."""


class Exchange(Protocol):
    """Tickets handed over to and by partners (``tickets/exchange/service.py``)."""

    async def list_(
        self,
        *,
        direction: str | None = None,
        state: str | None = None,
        partner: str | None = None,
        kind: str | None = None,
        number: str | None = None,
        agent_id: str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return handovers, the ones that changed last first; an agent's: of tickets of his."""

    async def get(self, handover_id: int) -> dict[str, Any]:
        """Return one; raise ``UnknownHandover``."""

    async def hand_over(
        self, ticket_id: str, partner: str, *, who: str, reason: str = ""
    ) -> dict[str, Any]:
        """Hand a ticket over; raise ``UnknownHandover``, ``ExchangeError``, ``LifeError``."""

    async def decide(
        self,
        handover_id: int,
        *,
        accepted: bool,
        reason: str = "",
        who: str,
        agent_id: str | None = None,
    ) -> dict[str, Any]:
        """Take a ticket in, for an agent, or give it back.

        Raise ``UnknownHandover``, ``ExchangeError``.
        """

    async def reopen(self, handover_id: int, *, reason: str, who: str) -> dict[str, Any]:
        """Have a finished matter taken up again; raise ``UnknownHandover``, ``ExchangeError``."""


Documents = Mapping[str, Book[Any]]
"""What administrators change while calls go on, by name (``calls/documents.py``)."""


class Prompts(Protocol):
    """What callers hear from the system (``calls/prompt_shelf.py``)."""

    def list_(self) -> list[Prompt]:
        """Return every recording. Blocking."""

    def path(self, name: str) -> Path:
        """Return the file that is played; raise ``UnknownPrompt``."""

    async def put(self, name: str, octets: bytes, *, who: str, expected: int | None = None) -> None:
        """Replace one; raise ``BadRecording``, ``UnknownPrompt``, ``StaleDocument``."""

    async def restore(self, name: str, *, who: str, expected: int | None = None) -> None:
        """Go back to the shipped one; raise ``UnknownPrompt``, ``UnknownEntry``."""


class Audit(Protocol):
    """Who looked at what, took it out, or changed it (``calls/audit.py``)."""

    def note(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write it down; returns at once."""

    async def list_(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return entries, newest first: id, at, who, action, subject, detail."""


class LadderSource(Protocol):
    """The SIP ladders of calls (``calls/ladders.py``)."""

    async def of(self, call_id: str) -> Ladder | None:
        """Return a call's ladder, or None."""


class Helper(Protocol):
    """Help for live calls (``calls/help.py``)."""

    def latest(self, call_id: str) -> CallHelp | None:
        """Return what was last said of a live call, or None."""


class KnowledgeBase(Protocol):
    """The knowledge base (``tickets/help/knowledge_base.py``)."""

    async def search(self, said: str, *, limit: int = 5) -> list[Found]:
        """Return matching entries, best first."""

    async def get(self, entry_id: str, version: int | None = None) -> tuple[Entry, int] | None:
        """Return an entry and its version, or None."""

    async def put(self, entry: Entry, *, who: str) -> int:
        """Add an entry or a new version of it; return the version."""

    async def retire(self, entry_id: str) -> bool:
        """Take an entry out of the search; False when it is not in it."""


class Breaks(Protocol):
    """How long agents are not ready (``calls/breaks.py``)."""

    async def allowances(self, agent_id: str) -> list[Allowance]:
        """Return what an agent has used today, of every reason that he can choose."""

    async def left(self, agent_id: str, reason: str | None) -> float | None:
        """Return the seconds left today of a reason; None: any number, or it is not known."""

    async def check(self, agent_id: str, reason: str, *, forced: bool = False) -> None:
        """Raise ``BreakRefused`` when an agent cannot be not ready for a reason now."""


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


class Reports(Protocol):
    """Reports of a day, week or month (``calls/reporting``)."""

    async def report(self, period: Period) -> Report:
        """Count everything of a period."""


class Statistics(Protocol):
    """Live figures and interval statistics (``calls/statistics``)."""

    async def figures(self) -> dict[str, Any]:
        """Return the live figures."""

    async def intervals(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return the kept quarters of a span."""


class Finder(Protocol):
    """Past calls (``calls/finder.py``)."""

    async def find(
        self, sought: Sought, *, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return matching calls, newest first."""


class Quality(Protocol):
    """What inspectors say of calls (``calls/quality.py``)."""

    async def assess(
        self,
        call_id: str,
        *,
        who: str,
        agent_id: str | None,
        scores: Mapping[str, int],
        marks: Sequence[Mark] = (),
        comment: str = "",
    ) -> dict[str, Any]:
        """Add an assessment; raise ``BadAssessment``."""

    async def of(self, call_id: str) -> list[dict[str, Any]]:
        """Return a call's assessments, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """What those need who lead, inspect and look at the wall."""

    statistics: Statistics
    finder: Finder
    quality: Quality


class Bus(Protocol):
    """The inside event bus."""

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back for every event from any node; return the way to stop that."""


Health = Callable[[], Awaitable[Mapping[str, Any]]]
"""Returns {"status": ok | degraded | down, "parts": {part: {"status", "detail"}}, "counts": {}}."""

System = Callable[[], Awaitable[Mapping[str, Any]]]
"""Returns how the whole is (``hotline/overview.py``)."""

OnDesktop = Callable[[str, bool], None]
"""Told (agent_id, True) when an agent's first desktop connects, False when the last one goes."""


class PhonePass(Protocol):
    """A short-lived secret of a page's phone."""

    @property
    def username(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def password(self) -> str: ...  # noqa: D102
    @property
    def expires_at(self) -> float: ...  # noqa: D102


class Carrier(Protocol):
    """Carries SIP messages to a page."""

    def send(self, message: bytes) -> None:
        """Carry a message."""

    def close(self) -> None:
        """Close the line."""


class PhoneLine(Protocol):
    """A page's line to the gateway."""

    def received(self, message: bytes) -> None:
        """Take a message of the page's."""

    def lost(self) -> None:
        """The page is gone."""


class Phones(Protocol):
    """Phones in pages (``hotline/browser_phone.py``)."""

    def issue(self, agent_id: str, *, session: str) -> PhonePass:
        """Return a pass for the registrar; it ends with the session of this digest."""

    def connect(self, peer: tuple[str, int], carrier: Carrier, *, secure: bool) -> PhoneLine:
        """Open a line; ``secure``: the page is on https."""
