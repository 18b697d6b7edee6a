"""What the web layer needs of people: accounts, presence, breaks, phones in pages."""

from collections.abc import Callable, Sequence
from typing import Protocol

from agents.accounts import NewAccount, Role
from calls.breaks import Allowance


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


class Breaks(Protocol):
    """How long agents are not ready (``calls/breaks.py``)."""

    async def allowances(self, agent_id: str) -> list[Allowance]:
        """Return what an agent has used today, of every reason that he can choose."""

    async def left(self, agent_id: str, reason: str | None) -> float | None:
        """Return the seconds left today of a reason; None: any number, or it is not known."""

    async def check(self, agent_id: str, reason: str, *, forced: bool = False) -> None:
        """Raise ``BreakRefused`` when an agent cannot be not ready for a reason now."""


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

    @property
    def echo(self) -> str:
        """The number by which a phone hears itself; empty: there is none."""

    def issue(self, agent_id: str, *, session: str) -> PhonePass:
        """Return a pass for the registrar; it ends with the session of this digest."""

    def connect(self, peer: tuple[str, int], carrier: Carrier, *, secure: bool) -> PhoneLine:
        """Open a line; ``secure``: the page is on https."""
