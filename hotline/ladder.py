"""``python -m hotline ladder``: from the running node's memory, else from the call's record."""

from typing import Final

import httpx

from calls.records import CallRecords, RecordWriter
from config.settings import Settings
from hotline.database import open_engine
from hotline.embedded import DataDirectory, advertised_host
from hotline.seed import read_credentials
from telephony.sip.ladder import Rung, draw

_TIMEOUT: Final = 5.0


class NoLadder(Exception):
    """Nothing is known of such a call."""


async def ladder_of(
    settings: Settings, call_id: str, *, user: str | None, password: str | None
) -> str:
    """Return a call's ladder as text.

    Args:
        settings: where the node and its database are.
        call_id: the call's number.
        user: an administrator's number; default the one made at the first start.
        password: his.

    Raises:
        NoLadder: neither the node nor the database knows it.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database cannot be read.
    """
    drawn = await _from_node(settings, call_id, user, password)
    return drawn or draw(await _from_record(settings, call_id))


async def _from_node(
    settings: Settings, call_id: str, user: str | None, password: str | None
) -> str | None:
    """Ask the running node; None when there is none, or it does not know, or does not let us."""
    known = [entry for entry in read_credentials(settings.node.data_dir) if entry.role == "admin"]
    if user is None and known:
        user, password = known[0].agent_id, known[0].password
    if user is None:
        return None
    host = advertised_host(settings.web.host, None)
    base = f"http://{host}:{settings.web.port}/api/v1"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=_TIMEOUT, trust_env=False) as client:
            body = {"agent_id": user, "password": password or ""}
            session = await client.post("/session", json=body)
            if not session.is_success:
                return None
            headers = {"Authorization": f"Bearer {session.json()['token']}"}
            answer = await client.get(f"/calls/{call_id}/ladder.txt", headers=headers)
            await client.delete("/session", headers=headers)
            return answer.text if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


async def _from_record(settings: Settings, call_id: str) -> list[Rung]:
    url = settings.database.url or DataDirectory.database_url_in(settings.node.data_dir)
    engine = open_engine(url)
    try:
        writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
        kept = await CallRecords(engine, writer, node="").ladder(call_id)
    finally:
        await engine.dispose()
    if not kept:
        raise NoLadder(f"no SIP messages are known of a call {call_id!r}")
    return [Rung.from_dict(values) for values in kept]
