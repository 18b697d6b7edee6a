"""Accounts, and agents on the floor, in memory; presence is the real pure machine."""

from dataclasses import dataclass, field, replace
from typing import Any

from agents.accounts import AccountExists, NewAccount, TooManyAttempts
from agents.presence import Details, Input, Presence, step
from eventbus.bus import EventBus
from eventbus.catalogue import (
    AgentPresence,
)

PASSWORD = "correct horse"
WRAP_UP_SECONDS = 30.0


class Clock:
    """Unix seconds that move when told to."""

    def __init__(self, now: float = 1_760_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class FakeAccount:
    id: str
    name: str
    role: str
    group: str = "市级"


@dataclass
class FakeAccounts:
    """Everybody's password is the same; three wrong ones in a row hold that account back."""

    people: dict[str, FakeAccount] = field(
        default_factory=lambda: {
            person.id: person
            for person in (
                FakeAccount("1001", "王芳", "agent"),
                FakeAccount("1002", "李强", "agent"),
                FakeAccount("2001", "陈静", "supervisor"),
                FakeAccount("3001", "周敏", "inspector"),
                FakeAccount("9001", "admin", "admin"),
            )
        }
    )
    failures: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    async def verify(
        self,
        agent_id: str,
        password: str,
        *,
        source: str = "",  # noqa: ARG002 - the port's; this brake holds the account only
    ) -> FakeAccount | None:
        if self.failures.get(agent_id, 0) >= 3:
            raise TooManyAttempts(7.4)
        account = self.people.get(agent_id)
        if account is None or password != self.passwords.get(agent_id, PASSWORD):
            self.failures[agent_id] = self.failures.get(agent_id, 0) + 1
            return None
        self.failures.pop(agent_id, None)
        return account

    async def get(self, agent_id: str) -> FakeAccount | None:
        return self.people.get(agent_id)

    async def create(self, account: NewAccount) -> FakeAccount:
        if account.id in self.people:
            raise AccountExists(account.id)
        made = FakeAccount(account.id, account.name, account.role, account.group)
        self.people[account.id] = made
        return made

    async def change(self, agent_id: str, **changes: Any) -> FakeAccount | None:
        if agent_id not in self.people:
            return None
        self.people[agent_id] = replace(self.people[agent_id], **changes)
        return self.people[agent_id]

    async def set_password(self, agent_id: str, password: str) -> bool:
        self.passwords[agent_id] = password
        return agent_id in self.people

    async def list_(self) -> list[FakeAccount]:
        return [self.people[agent_id] for agent_id in sorted(self.people)]


class FakeFloor:
    """Presences moved by the real machine; each change is published."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._presences: dict[str, Presence] = {}

    def put(self, agent_id: str, what: Input, details: Details | None = None) -> Presence:
        before = self._presences.get(agent_id, Presence(agent_id, phones=1))
        after = step(before, what, self._clock(), details or Details())
        self._presences[agent_id] = after
        if after != before:
            self._publish(after)
        return after

    def set_phones(self, agent_id: str, count: int) -> None:
        self._presences[agent_id] = replace(self._presences[agent_id], phones=count)
        self._publish(self._presences[agent_id])

    def _publish(self, presence: Presence) -> None:
        self._bus.publish(
            AgentPresence(
                at=self._clock(),
                agent_id=presence.agent_id,
                call_id=presence.call_id,
                state=presence.state.value,
                reason=presence.reason,
                since=presence.since,
                phones=presence.phones,
            )
        )

    async def sign_in(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SIGN_IN)

    async def sign_out(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SIGN_OUT)

    async def set_ready(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SET_READY)

    async def set_not_ready(self, agent_id: str, reason: str) -> Presence:
        return self.put(agent_id, Input.SET_NOT_READY, Details(reason=reason))

    async def end_wrap_up(self, agent_id: str) -> Presence:
        presence = self._presences[agent_id]
        if presence.state.value != "wrap_up":
            return presence
        return self.put(agent_id, Input.END_WRAP_UP)

    async def extend_wrap_up(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.EXTEND_WRAP_UP, Details(extension_seconds=60.0))

    async def presence(self, agent_id: str) -> Presence | None:
        return self._presences.get(agent_id)

    async def everyone(self) -> list[Presence]:
        return [self._presences[agent_id] for agent_id in sorted(self._presences)]
