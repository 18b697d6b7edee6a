"""Which node holds a call that has not ended, by the records that all nodes write."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.errors import UnknownCall
from calls.records import calls


class CallHolders:
    """Finds the node that holds a call.

    Args:
        engine: the database of all nodes.
        node: this node.
        is_live: whether this node itself holds a call.
    """

    def __init__(self, engine: AsyncEngine, *, node: str, is_live: Callable[[str], bool]) -> None:
        self._engine = engine
        self.node = node
        self._is_live = is_live

    def holds(self, call_id: str) -> bool:
        """Say whether this node holds a call."""
        return self._is_live(call_id)

    async def of_call(self, call_id: str) -> str | None:
        """Return the other node that holds this call; None: this one, or none.

        Raises:
            UnknownCall: there is no record of it. A record is written some tenths of a second after
                its call has begun: only the holder knows by then.
        """
        if self._is_live(call_id):
            return None
        statement = select(calls.c.node, calls.c.ended_at).where(calls.c.call_id == call_id)
        async with self._engine.connect() as connection:
            found = (await connection.execute(statement)).one_or_none()
        if found is None:
            raise UnknownCall(call_id)
        return found.node if found.ended_at is None and found.node != self.node else None

    async def of_ticket(self, ticket_id: str) -> str | None:
        """Return the other node whose call fills this ticket; None: this one, or none."""
        statement = select(calls.c.node).where(
            calls.c.ticket_id == ticket_id,
            calls.c.ended_at.is_(None),
            calls.c.node != self.node,
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().first()
