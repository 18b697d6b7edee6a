"""Engines of the floor, for tests that run against each of them."""

from agents.commands import Command, Reply
from agents.floor import FloorTimes
from agents.floor_model import FloorModel


class ModelEngine:
    """``FloorModel`` behind the same door as Redis; several nodes may share one model."""

    def __init__(self, model: FloorModel, node: str) -> None:
        self._model = model
        self._node = node

    async def execute(self, command: Command, now: float | None) -> Reply:
        """Execute; a test says what time it is."""
        assert now is not None
        return self._model.handle(self._node, command, now)


TIMES = FloorTimes(offer=20, reoffer=5, wrap_up=30, node=15)
