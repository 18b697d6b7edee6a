"""Agents' accounts in SQL: who may sign in, in which role, and with which SIP credentials.

The desktop password is kept as an argon2 hash. The SIP secret is a different one: digest
authentication (RFC 8760) needs H(username:realm:secret), which is as good as the secret itself for
SIP, so it must not open the desktop.
"""

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import ARGON2_VERSION
from sqlalchemy import Column, Double, MetaData, String, Table, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.brake import Brake
from agents.source_brake import Known, SourceBrake, site_of

Role = Literal["agent", "supervisor", "inspector", "admin"]
Algorithm = Literal["MD5", "SHA-256"]

_log = structlog.get_logger(__name__)

metadata = MetaData()
agents = Table(
    "agents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("ha1_md5", String(32), nullable=False),
    Column("ha1_sha256", String(64), nullable=False),
    Column("group", String(64), nullable=False),
    Column("created", Double, nullable=False),
)
_PUBLIC: Final = (agents.c.id, agents.c.name, agents.c.role, agents.c.group, agents.c.created)


class AccountExists(Exception):
    """``create`` was given an id that is taken."""


class TooManyAttempts(Exception):
    """Sign-in from this source is braked; the password was not looked at.

    Attributes:
        retry_after: seconds until the next attempt is looked at.
        with_any: whether with any account, but for those of people who have signed in there.
    """

    def __init__(self, retry_after: float, *, with_any: bool = False) -> None:
        super().__init__(f"too many failed attempts; try again in {retry_after:.0f} s")
        self.retry_after = retry_after
        self.with_any = with_any


@dataclass(frozen=True, slots=True)
class Account:
    """What may be known of an account: no hash, no secret. ``created`` is Unix seconds."""

    id: str
    name: str
    role: Role
    group: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made; ``password`` opens the desktop, ``sip_secret`` registers a phone."""

    id: str
    name: str
    password: str
    sip_secret: str
    role: Role = "agent"
    group: str = ""


class Accounts:
    """The accounts in one database.

    Args:
        engine: where the table is; making the table is Alembic's work (``metadata``).
        realm: the digest realm that the SIP credentials are made for.
        hasher: argon2 with its parameters; hashes made with others are renewed at sign-in.
        brake: slows down guessing; None for one with the usual settings.
        sources: slow down whoever tries many accounts; None as above.
        known: remembers whom that brake does not hold; None: it does so itself, until we end.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        realm: str,
        hasher: PasswordHasher | None = None,
        brake: Brake | None = None,
        sources: SourceBrake | None = None,
        known: Known | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._realm = realm
        self._hasher = hasher or PasswordHasher()
        # (an empty Brake is false: it has a length)
        self._brake = Brake() if brake is None else brake
        self._sources = SourceBrake() if sources is None else sources
        self._known = known
        self._clock = clock
        self._decoy = _decoy(self._hasher)
        # Each verification fills 64 MiB; a burst of sign-ins must not fill the machine.
        self._hashing = asyncio.Semaphore(2)

    async def create(self, account: NewAccount) -> Account:
        """Add an account.

        Raises:
            AccountExists: the id is taken.
        """
        return await self._create(account, await self._hash(account.password))

    async def _create(self, account: NewAccount, hashed: str) -> Account:
        created = self._clock()
        row = {
            "id": account.id,
            "name": account.name,
            "role": account.role,
            "password_hash": hashed,
            "ha1_md5": _ha1(account.id, self._realm, account.sip_secret, "MD5"),
            "ha1_sha256": _ha1(account.id, self._realm, account.sip_secret, "SHA-256"),
            "group": account.group,
            "created": created,
        }
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(agents).values(row))
        except IntegrityError as error:
            raise AccountExists(account.id) from error
        return Account(account.id, account.name, account.role, account.group, created)

    async def seed(self, accounts: Iterable[NewAccount]) -> int:
        """Add those accounts that are not there yet; leave the others alone. Return how many.

        A password that several have is hashed once: who gave it to all of them knows that it is
        the same, and a fifth of a second for each would be most of a node's first start.
        """
        present = {account.id for account in await self.list_()}
        missing = [account for account in accounts if account.id not in present]
        hashes: dict[str, str] = {}
        made = 0
        for account in missing:
            if account.password not in hashes:
                hashes[account.password] = await self._hash(account.password)
            try:
                await self._create(account, hashes[account.password])
            except AccountExists:
                continue  # another node was quicker
            made += 1
        return made

    async def verify(self, agent_id: str, password: str, *, source: str = "") -> Account | None:
        """Return the account if the password is right, else None.

        Args:
            agent_id: who says he is signing in.
            password: the desktop password.
            source: where the attempt comes from (an IP address); failures are counted for account
                and source together, so that a stranger cannot lock an agent out, and for the source
                alone, so that nobody can try all accounts.

        Raises:
            TooManyAttempts: failed too often just now.
        """
        await self._hold(agent_id, source)
        key = (agent_id, source)
        # The attempt counts as failed until it has succeeded: parallel guesses gain nothing.
        wait = self._brake.attempt(key, self._clock())
        if wait > 0:
            raise TooManyAttempts(wait)
        async with self._engine.connect() as connection:
            query = select(*_PUBLIC, agents.c.password_hash).where(agents.c.id == agent_id)
            row = (await connection.execute(query)).mappings().first()
        stored: str = self._decoy if row is None else row["password_hash"]
        async with self._hashing:
            await self._hold(agent_id, source)  # others from there may have failed meanwhile
            right = await self._matches(stored, password)
            if row is None or not right:
                self._sources.failed(source, self._clock())
                _log.info("sign-in refused", agent_id=agent_id[:32], source=source)
                return None
        self._brake.succeeded(key)
        self._sources.succeeded(source, agent_id)
        if self._known is not None:
            await self._known.add(agent_id, site_of(source))
        if self._hasher.check_needs_rehash(stored):
            await self._renew(agent_id, password)
        return _account(row)

    async def change(
        self,
        agent_id: str,
        *,
        name: str | None = None,
        role: Role | None = None,
        group: str | None = None,
    ) -> Account | None:
        """Change what is named of an account and return it; None: no such account."""
        values = {"name": name, "role": role, "group": group}
        wanted = {column: value for column, value in values.items() if value is not None}
        if wanted:
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(agents).where(agents.c.id == agent_id).values(wanted)
                )
        return await self.get(agent_id)

    async def set_password(self, agent_id: str, password: str) -> bool:
        """Change the desktop password; False when there is no such account."""
        return await self._renew(agent_id, password)

    async def get(self, agent_id: str) -> Account | None:
        """Return one account, or None."""
        async with self._engine.connect() as connection:
            query = select(*_PUBLIC).where(agents.c.id == agent_id)
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _account(row)

    async def list_(self) -> list[Account]:
        """Return all accounts by id."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(*_PUBLIC).order_by(agents.c.id))
            return [_account(row) for row in rows.mappings()]

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        """Return H(username:realm:secret) in hex (RFC 7616 §3.4.2), or None: no such user.

        This is ``telephony``'s ``CredentialStore``.
        """
        column = agents.c.ha1_md5 if algorithm == "MD5" else agents.c.ha1_sha256
        async with self._engine.connect() as connection:
            found = await connection.execute(select(column).where(agents.c.id == username))
            return found.scalar_one_or_none()

    async def _renew(self, agent_id: str, password: str) -> bool:
        hashed = await self._hash(password)
        change = update(agents).where(agents.c.id == agent_id).values(password_hash=hashed)
        async with self._engine.begin() as connection:
            return (await connection.execute(change)).rowcount > 0

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _matches(self, stored: str, password: str) -> bool:
        try:
            return await asyncio.to_thread(self._hasher.verify, stored, password)
        except VerifyMismatchError:
            return False

    async def _hold(self, agent_id: str, source: str) -> None:
        wait = self._sources.wait(source, agent_id, self._clock())
        if wait <= 0:
            return
        if self._known is None or not await self._known.has(agent_id, site_of(source)):
            raise TooManyAttempts(wait, with_any=True)
        self._sources.succeeded(source, agent_id)  # he did, at another node or before we started


def _decoy(hasher: PasswordHasher) -> str:
    """Return what an unknown account's password is compared with; no password matches it.

    Comparing takes as long as with a known account's hash, and this one costs nothing to make.
    """
    salt, digest = os.urandom(hasher.salt_len), os.urandom(hasher.hash_len)
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    # The PHC string format, whose base64 has no padding.
    ends = (base64.b64encode(part).rstrip(b"=").decode() for part in (salt, digest))
    version = f"v={ARGON2_VERSION}"
    return "$".join(("", f"argon2{hasher.type.name.lower()}", version, cost, *ends))


def _account(row: RowMapping) -> Account:
    return Account(*(row[column.name] for column in _PUBLIC))


def _ha1(username: str, realm: str, secret: str, algorithm: Algorithm) -> str:
    text = f"{username}:{realm}:{secret}".encode()
    if algorithm == "MD5":
        # RFC 8760 §2.6 keeps MD5 for phones that know nothing else.
        return hashlib.md5(text, usedforsecurity=False).hexdigest()
    return hashlib.sha256(text).hexdigest()
