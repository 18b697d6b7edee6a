"""Telephony as the pages' phones see it: lines that note what came over them."""

from dataclasses import dataclass, field

from web.ports_people import Carrier


@dataclass
class FakePass:
    """A pass for whoever asked."""

    username: str
    password: str = "pass-word"
    expires_at: float = 2e9


@dataclass
class FakeLine:
    """One page's line."""

    peer: tuple[str, int]
    carrier: Carrier
    secure: bool
    messages: list[bytes] = field(default_factory=list)
    over: bool = False

    def received(self, message: bytes) -> None:
        self.messages.append(message)

    def lost(self) -> None:
        self.over = True


@dataclass
class FakePhones:
    """Passes and lines."""

    lines: list[FakeLine] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    echo: str = "*43"

    def issue(self, agent_id: str, *, session: str) -> FakePass:
        self.sessions.append(session)
        return FakePass(f"{agent_id}~2000000000")

    def connect(self, peer: tuple[str, int], carrier: Carrier, *, secure: bool) -> FakeLine:
        self.lines.append(FakeLine(peer, carrier, secure))
        return self.lines[-1]
