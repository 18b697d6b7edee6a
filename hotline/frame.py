"""What all that a node is made of has in common while it is made, and what is shown of it."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.settings import Settings
from eventbus.bus import EventBus
from eventbus.precedence import Precedence
from hotline.children import ChildProcess
from hotline.embedded import DataDirectory
from hotline.health import HealthBoard
from hotline.node import Part, Step, nothing
from hotline.seed import Credentials


@dataclass(slots=True)
class Running:
    """What the command line shows of a node: where it is and who can sign in."""

    web: tuple[str, int] = ("", 0)
    sip: tuple[str, int] = ("", 0)
    sip_listeners: Sequence[tuple[str, tuple[str, int]]] = ()
    mqtt: tuple[str, int] = ("", 0)
    mqtt_taken: int | None = None
    """The port that our own broker should have, where somebody else has it."""
    credentials: Sequence[Credentials] = ()
    model: str = ""
    children: dict[str, ChildProcess] = field(default_factory=dict)


class Frame:
    """A node's settings, what everything in it reports to, and its parts so far.

    Args:
        settings: all of them.
        directory: the data directory, claimed by this process.

    Attributes:
        precedence: what goes first on this node's loop.
        parts: what depends on something else stands after it.
    """

    def __init__(self, settings: Settings, directory: DataDirectory) -> None:
        self.settings = settings
        self.directory = directory
        self.running = Running()
        self.bus = EventBus()
        self.precedence = Precedence()
        self.health = HealthBoard(bus=self.bus, wall_clock=time.time)
        self.parts: list[Part] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def prompts(self) -> Path:
        """Where this node keeps what it plays: what ships, or what an administrator gave."""
        return (self.directory.root / "prompts").absolute()

    def part(self, name: str, start: Step, stop: Step = nothing) -> None:
        """Add something that is started after all before it, and stopped before them."""
        self.parts.append(Part(name, start, stop))

    def child(self, child: ChildProcess) -> None:
        """Add a process."""
        self.running.children[child.name] = child
        self.part(child.name, child.start, child.stop)

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Let something go on by itself."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
