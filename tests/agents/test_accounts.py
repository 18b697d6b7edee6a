"""Accounts, on SQLite and, where it is installed, on PostgreSQL."""

import asyncio
import hashlib
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import (
    AccountExists,
    Accounts,
    NewAccount,
    TooManyAttempts,
    agents,
)
from agents.brake import Brake
from agents.known_sources import KnownSources, known_sources
from agents.source_brake import SourceBrake

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
LI = NewAccount(
    id="1001", name="李梅", password="right", sip_secret="phone", role="agent", group="自有"
)


@pytest.fixture
def accounts(engine: AsyncEngine) -> Accounts:
    return Accounts(engine, realm="hotline", hasher=QUICK, clock=lambda: 1000.0)


async def test_an_account_is_made_and_found(accounts: Accounts) -> None:
    made = await accounts.create(LI)
    assert (made.id, made.name, made.role, made.group) == ("1001", "李梅", "agent", "自有")
    assert made.created == 1000.0
    assert await accounts.get("1001") == made
    assert await accounts.get("1002") is None
    assert await accounts.list_() == [made]


async def test_an_id_is_taken_once(accounts: Accounts) -> None:
    made = await accounts.create(LI)
    with pytest.raises(AccountExists):
        await accounts.create(NewAccount(id="1001", name="x", password="y", sip_secret="z"))
    assert await accounts.list_() == [made]


async def test_only_the_right_password_opens(accounts: Accounts) -> None:
    made = await accounts.create(LI)
    assert await accounts.verify("1001", "right") == made
    assert await accounts.verify("1001", "wrong") is None
    assert await accounts.verify("1002", "right") is None


async def test_the_phones_secret_does_not_open_the_desktop(accounts: Accounts) -> None:
    await accounts.create(LI)
    assert await accounts.verify("1001", "phone") is None


async def test_the_credentials_for_sip_are_those_of_rfc_7616(accounts: Accounts) -> None:
    await accounts.create(LI)
    text = b"1001:hotline:phone"
    assert await accounts.ha1("1001", "MD5") == hashlib.md5(text).hexdigest()  # noqa: S324
    assert await accounts.ha1("1001", "SHA-256") == hashlib.sha256(text).hexdigest()
    assert await accounts.ha1("1002", "MD5") is None


async def test_neither_password_nor_secret_is_stored(
    accounts: Accounts, engine: AsyncEngine
) -> None:
    await accounts.create(LI)
    async with engine.connect() as connection:
        row = (await connection.execute(select(agents))).one()
    assert row.password_hash.startswith("$argon2id$")
    assert "right" not in str(row)
    assert "phone" not in str(row)


async def test_a_hash_with_old_parameters_is_renewed_at_sign_in(engine: AsyncEngine) -> None:
    async def stored() -> str:
        async with engine.connect() as connection:
            return str((await connection.execute(select(agents.c.password_hash))).scalar_one())

    await Accounts(engine, realm="hotline", hasher=QUICK).create(LI)
    old = await stored()
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    accounts = Accounts(engine, realm="hotline", hasher=stronger)

    assert await accounts.verify("1001", "wrong") is None
    assert await stored() == old
    assert await accounts.verify("1001", "right") is not None

    assert not stronger.check_needs_rehash(await stored())
    assert await accounts.verify("1001", "right") is not None


async def test_a_password_can_be_changed(accounts: Accounts) -> None:
    await accounts.create(LI)
    assert await accounts.set_password("1001", "new")
    assert await accounts.verify("1001", "right") is None
    assert await accounts.verify("1001", "new") is not None
    assert not await accounts.set_password("1002", "new")


async def test_seeding_adds_what_is_missing_and_leaves_the_rest(accounts: Accounts) -> None:
    await accounts.create(LI)
    others = [
        NewAccount(id=str(number), name="x", password="p", sip_secret="s")
        for number in range(1001, 1009)
    ]
    assert await accounts.seed(others) == 7
    assert await accounts.seed(others) == 0
    assert (await accounts.verify("1002", "p")) is not None
    assert (await accounts.verify("1008", "p")) is not None
    assert [one.id for one in await accounts.list_()] == [str(n) for n in range(1001, 1009)]
    assert (await accounts.verify("1001", "right")) is not None


async def test_guessing_is_braked_for_that_source_only(engine: AsyncEngine) -> None:
    now = 0.0
    accounts = Accounts(
        engine, realm="hotline", hasher=QUICK, brake=Brake(free=3), clock=lambda: now
    )
    await accounts.create(LI)
    for _ in range(3):
        assert await accounts.verify("1001", "wrong", source="10.0.0.9") is None

    with pytest.raises(TooManyAttempts) as caught:
        await accounts.verify("1001", "right", source="10.0.0.9")

    assert caught.value.retry_after == 2
    assert await accounts.verify("1001", "right", source="10.0.0.8") is not None
    now = 2.0
    assert await accounts.verify("1001", "right", source="10.0.0.9") is not None


async def test_guesses_made_at_the_same_time_are_all_counted(engine: AsyncEngine) -> None:
    accounts = Accounts(
        engine, realm="hotline", hasher=QUICK, brake=Brake(free=3), clock=lambda: 0.0
    )
    await accounts.create(LI)
    guesses = [accounts.verify("1001", str(number), source="x") for number in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert answers.count(None) == 3
    assert sum(isinstance(answer, TooManyAttempts) for answer in answers) == 17


async def test_trying_many_accounts_is_braked_but_not_for_who_has_signed_in_there(
    engine: AsyncEngine,
) -> None:
    now = 0.0
    accounts = Accounts(
        engine,
        realm="hotline",
        hasher=QUICK,
        sources=SourceBrake(failures=3, per_minute=6),
        clock=lambda: now,
    )
    await accounts.create(LI)
    wang = NewAccount(id="1002", name="王芳", password="right", sip_secret="phone")
    await accounts.create(wang)
    assert await accounts.verify("1001", "right", source="10.0.0.9") is not None
    guesses = [accounts.verify(str(2000 + number), "x", source="10.0.0.9") for number in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, TooManyAttempts)]
    assert all(one.with_any for one in refused)
    assert 3 <= answers.count(None) <= 4  # two passwords are compared at a time
    assert len(refused) + answers.count(None) == len(answers)

    assert await accounts.verify("1001", "right", source="10.0.0.9") is not None
    assert await accounts.verify("1002", "right", source="10.0.0.8") is not None
    with pytest.raises(TooManyAttempts) as caught:
        await accounts.verify("1002", "right", source="10.0.0.9")
    now += caught.value.retry_after
    assert await accounts.verify("1002", "right", source="10.0.0.9") is not None


async def test_who_has_signed_in_there_is_known_to_other_nodes_and_after_a_restart(
    engine: AsyncEngine,
) -> None:
    now = 1_000_000.0

    def a_node() -> Accounts:
        return Accounts(
            engine,
            realm="hotline",
            hasher=QUICK,
            sources=SourceBrake(failures=3, per_minute=6),
            known=KnownSources(engine, clock=lambda: now),
            clock=lambda: now,
        )

    async def guessed(node: Accounts) -> None:
        for number in range(3):
            assert await node.verify(str(2000 + number), "x", source="10.0.0.9") is None

    first = a_node()
    await first.create(LI)
    for source in ("10.0.0.9", "10.0.0.9", "10.0.0.7"):
        assert await first.verify("1001", "right", source=source) is not None
    now += 29 * 86_400
    second = a_node()
    await guessed(second)
    with pytest.raises(TooManyAttempts):
        await second.verify("1002", "right", source="10.0.0.9")
    assert await second.verify("1001", "right", source="10.0.0.9") is not None
    async with engine.connect() as connection:
        rows = (await connection.execute(select(known_sources))).all()
    assert {(row.site, row.at) for row in rows} == {
        ("10.0.0.9", now),
        ("10.0.0.7", now - 29 * 86_400),
    }
    now += 31 * 86_400
    third = a_node()
    await guessed(third)
    with pytest.raises(TooManyAttempts):
        await third.verify("1001", "right", source="10.0.0.9")
    assert await third.verify("1001", "right", source="10.0.0.1") is not None
    async with engine.connect() as connection:
        sites = (await connection.scalars(select(known_sources.c.site))).all()
    assert sites == ["10.0.0.1"]  # the others have lapsed


async def test_where_somebody_signed_in_who_has_left_is_forgotten_as_well(
    engine: AsyncEngine,
) -> None:
    now = 1_800_000_000.0
    known = KnownSources(engine, clock=lambda: now)
    await known.add("1001", "10.0.0.1")
    now += 31 * 86_400
    await known.add("1002", "10.0.0.1")
    async with engine.connect() as connection:
        assert (await connection.scalars(select(known_sources.c.agent_id))).all() == ["1002"]


async def test_without_the_table_signing_in_works_and_nobody_is_known(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(known_sources.drop)
    known = KnownSources(engine)
    accounts = Accounts(engine, realm="hotline", hasher=QUICK, known=known)
    await accounts.create(LI)
    assert await accounts.verify("1001", "right", source="10.0.0.9") is not None
    assert not await known.has("1001", "10.0.0.9")


async def test_an_unknown_account_costs_as_much_as_a_known_one(engine: AsyncEngine) -> None:
    compared: list[str] = []

    class Noting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's name
            compared.append(str(hash))
            return super().verify(hash, password)

    accounts = Accounts(
        engine, realm="hotline", hasher=Noting(time_cost=2, memory_cost=16, parallelism=1)
    )
    await accounts.create(LI)
    assert await accounts.verify("1001", "wrong") is None
    assert await accounts.verify("1002", "wrong") is None

    known, unknown = compared
    assert known != unknown
    assert extract_parameters(known) == extract_parameters(unknown)


async def test_hashing_does_not_stop_the_event_loop(engine: AsyncEngine) -> None:
    hasher = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
    accounts = Accounts(engine, realm="hotline", hasher=hasher)
    await accounts.create(LI)
    ticks = 0
    verifying = asyncio.create_task(accounts.verify("1001", "right"))
    while not verifying.done():
        ticks += 1
        await asyncio.sleep(0.005)
    assert verifying.result() is not None
    assert ticks > 5
