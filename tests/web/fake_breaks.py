"""What agents' breaks are kept in where there is no database."""

from calls.breaks import Break, BreakStore


class MemoryBreaks(BreakStore):
    """The stretches of one process."""

    def __init__(self) -> None:
        self._breaks: list[Break] = []

    def begin(self, agent_id: str, reason: str, at: float) -> None:
        """Begin one."""
        self.end(agent_id, at)
        self._breaks.append(Break(agent_id, reason, at))

    def end(self, agent_id: str, at: float) -> None:
        """End whatever lasts."""
        self._breaks = [
            Break(one.agent_id, one.reason, one.began_at, at)
            if (one.agent_id, one.ended_at) == (agent_id, None)
            else one
            for one in self._breaks
        ]

    async def since(
        self,
        at: float,
        *,
        agent_id: str | None = None,
        own: bool = False,  # noqa: ARG002 - all are
    ) -> list[Break]:
        """Return those that last or ended after ``at``."""
        return [
            one
            for one in self._breaks
            if agent_id in {None, one.agent_id} and (one.ended_at is None or one.ended_at > at)
        ]
