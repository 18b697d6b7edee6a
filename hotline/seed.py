"""The accounts that a new system starts with, and the passwords that are shown for them.

Passwords are drawn at the first start and kept in ``accounts.json`` in the data directory, readable
by its owner only, so that ``make run`` can show them again. The database holds no password, only
hashes; once real accounts exist the file can be deleted.
"""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.accounts import Accounts, NewAccount, Role

FILE_NAME = "accounts.json"

#: Without what is mistaken for something else when read from a screen: 0 O, 1 l I.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 10

_NAMES: Mapping[Role, str] = {
    "agent": "坐席",
    "supervisor": "班长",
    "inspector": "质检",
    "admin": "管理员",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """One ready-made account: for the desktop (``password``) and the phone (``phone_password``)."""

    agent_id: str
    role: Role
    password: str
    phone_password: str


def read_credentials(data_dir: Path) -> list[Credentials]:
    """Return what was seeded, [] when nothing was or the file was deleted."""
    path = data_dir / FILE_NAME
    if not path.exists():
        return []
    return [Credentials(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


async def seed(
    accounts: Accounts,
    data_dir: Path,
    *,
    ids: Mapping[Role, Sequence[str]],
    password: str | None,
) -> list[Credentials]:
    """Make the accounts that do not exist yet and return the passwords known for them.

    Args:
        accounts: the table.
        data_dir: where the passwords are kept.
        ids: the wanted accounts by role.
        password: for all of them; None: each gets two of his own.
    """
    known = {credentials.agent_id: credentials for credentials in read_credentials(data_dir)}
    present = {account.id for account in await accounts.list_()}
    for role, agent_ids in ids.items():
        for agent_id in agent_ids:
            if agent_id in present:
                continue
            known[agent_id] = Credentials(agent_id, role, password or _draw(), password or _draw())
    fresh = [credentials for credentials in known.values() if credentials.agent_id not in present]
    if fresh:
        # Kept first: an account whose password nobody knows would be worse than a spare line.
        _write(data_dir / FILE_NAME, list(known.values()))
        await accounts.seed([_account(credentials) for credentials in fresh])
    return [known[agent_id] for agent_id in sorted(known)]


def _draw() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _account(credentials: Credentials) -> NewAccount:
    return NewAccount(
        id=credentials.agent_id,
        name=f"{_NAMES[credentials.role]}{credentials.agent_id}",
        password=credentials.password,
        sip_secret=credentials.phone_password,
        role=credentials.role,
    )


def _write(path: Path, credentials: Sequence[Credentials]) -> None:
    text = json.dumps([asdict(entry) for entry in credentials], ensure_ascii=False, indent=1)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
