"""Tells another ticket platform what happens to tickets: by webhook, signed, until it has heard.

A step and its delivery are committed together (:mod:`tickets.handling`); this worker posts what is
due, oldest first, and per ticket strictly in order. The format is Standard Webhooks 1.0: headers
``webhook-id`` (the same on every attempt: the receiver drops repetitions), ``webhook-timestamp``
(Unix seconds of this attempt) and ``webhook-signature`` (``v1,`` and the base64 HMAC-SHA256 of
``id.timestamp.body``).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from tickets.store import deliveries_table

log = structlog.get_logger(__name__)

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Seconds until the next attempt after the first, second… failure; the last one repeats."""
GIVE_UP_SECONDS: Final = 3 * 86400.0
"""How long a delivery is tried: over a long weekend."""
_TIMEOUT: Final = 10.0
_BATCH: Final = 20
_LOOK_SECONDS: Final = 2.0
_ERROR_LENGTH: Final = 300
_PREFIX: Final = "whsec_"


def secret_key(secret: str) -> bytes:
    """Return the key of a ``whsec_…`` secret (base64, 24 to 64 octets).

    Raises:
        ValueError: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    if not 24 <= len(key) <= 64:  # noqa: PLR2004 - the specification's limits
        raise ValueError(f"a webhook secret has 24 to 64 octets, not {len(key)}")
    return key


def signature(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def pause_after(attempts: int) -> float:
    """Return the seconds to wait after so many failures (1 or more)."""
    return PAUSES[min(attempts, len(PAUSES)) - 1]


class WebhookDispatcher:
    """Delivers what the desk wrote down.

    Several nodes may run one each: a delivery is claimed before it is posted, and a claim that its
    node did not live to finish is taken up again later.

    Args:
        engine: the database.
        url: where to post.
        key: signs.
        on_status: told ``ok``, or ``away`` with a reason, when that changes.
        clock: Unix seconds.
        look_seconds: how often the table is looked at.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        url: str,
        key: bytes,
        on_status: Callable[[str, str | None], None] = lambda _status, _detail: None,
        clock: Callable[[], float] = time.time,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._engine = engine
        self._url = url
        self._key = key
        self._on_status = on_status
        self._clock = clock
        self._look_seconds = look_seconds
        self._status: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Deliver in the background from now on."""
        self._task = asyncio.create_task(self._run(), name="ticket-dispatch")

    async def close(self) -> None:
        """Stop; what is not delivered is delivered after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            while True:
                try:
                    while await self.deliver_due(client):
                        pass
                except (SQLAlchemyError, OSError) as error:
                    log.warning("dispatch_waits_for_the_database", error=str(error))
                await asyncio.sleep(self._look_seconds)

    async def deliver_due(self, client: httpx.AsyncClient) -> int:
        """Post what is due, up to a batch; return how many were delivered."""
        delivered = 0
        for row in await self._claim():
            error = await self._post(client, row)
            await self._settle(row, error)
            delivered += error is None
        return delivered

    async def _claim(self) -> list[sa.Row[Any]]:
        """Take due deliveries, for each ticket only the oldest that is not through."""
        now = self._clock()
        table = deliveries_table
        oldest = (
            sa.select(sa.func.min(table.c.id))
            .where(table.c.next_at.is_not(None))
            .group_by(table.c.ticket_id)
        )
        due = (
            sa.select(table)
            .where(table.c.id.in_(oldest), table.c.next_at <= now)
            .order_by(table.c.id)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        async with self._engine.begin() as connection:
            rows = list(await connection.execute(due))
            claimed = []
            for row in rows:
                # Not due again while it is under way, one after the other; if this node dies, it is
                # after that.
                taken = await connection.execute(
                    table.update()
                    .where(table.c.id == row.id, table.c.next_at == row.next_at)
                    .values(next_at=now + (len(rows) + 1) * _TIMEOUT)
                )
                claimed += [row] if taken.rowcount else []
            return claimed

    async def _post(self, client: httpx.AsyncClient, row: sa.Row[Any]) -> str | None:
        """Post one delivery; return what went wrong, None when it was taken."""
        body = json.dumps(row.body, ensure_ascii=False, separators=(",", ":")).encode()
        message_id = f"msg_{row.ticket_id}_{row.id}"
        timestamp = int(self._clock())
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(
                self._key, message_id=message_id, timestamp=timestamp, body=body
            ),
        }
        try:
            response = await client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"HTTP {response.status_code}"

    async def _settle(self, row: sa.Row[Any], error: str | None) -> None:
        now = self._clock()
        attempts = row.attempts + 1
        values: dict[str, Any] = {"attempts": attempts, "last_error": (error or "")[:_ERROR_LENGTH]}
        if error is None:
            values |= {"delivered_at": now, "next_at": None, "last_error": None}
        elif now - row.created_at > GIVE_UP_SECONDS:
            values |= {"next_at": None}
            log.error("delivery_given_up", ticket_id=row.ticket_id, error=error)
        else:
            values |= {"next_at": now + pause_after(attempts)}
        async with self._engine.begin() as connection:
            await connection.execute(
                deliveries_table.update().where(deliveries_table.c.id == row.id).values(values)
            )
        self._tell("ok" if error is None else "away", error)

    def _tell(self, status: str, detail: str | None) -> None:
        if status != self._status:
            self._status = status
            self._on_status(status, detail)
            if detail is not None:
                log.warning("dispatch_failed", error=detail)

    async def counts(self) -> dict[str, int]:
        """Return how many deliveries wait."""
        query = sa.select(sa.func.count()).where(deliveries_table.c.next_at.is_not(None))
        async with self._engine.connect() as connection:
            return {"deliveries": (await connection.execute(query)).scalar_one()}
