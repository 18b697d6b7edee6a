import stat
from pathlib import Path

from agents.accounts import Accounts, Role
from hotline.database import migrate, open_engine
from hotline.seed import FILE_NAME, read_credentials, seed


async def test_accounts_are_made_once_and_shown_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    await migrate(engine)
    accounts = Accounts(engine, realm="hotline")
    ids: dict[Role, tuple[str, ...]] = {"agent": ("1001", "1002"), "supervisor": ("8001",)}

    first = await seed(accounts, tmp_path, ids=ids, password=None)

    assert [entry.agent_id for entry in first] == ["1001", "1002", "8001"]
    assert len({entry.password for entry in first} | {e.phone_password for e in first}) == 6
    assert await accounts.verify("1001", first[0].password) is not None
    assert await accounts.verify("1001", first[0].phone_password) is None
    assert await accounts.ha1("1001", "MD5") is not None
    account = await accounts.get("8001")
    assert account is not None
    assert account.role == "supervisor"
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert await seed(accounts, tmp_path, ids=ids, password=None) == first
    await engine.dispose()


async def test_a_deleted_file_is_not_made_up_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    await migrate(engine)
    accounts = Accounts(engine, realm="hotline")
    ids: dict[Role, tuple[str, ...]] = {"agent": ("1001",)}
    await seed(accounts, tmp_path, ids=ids, password="given")
    (tmp_path / FILE_NAME).unlink()

    assert await seed(accounts, tmp_path, ids=ids, password="other") == []
    assert read_credentials(tmp_path) == []
    assert await accounts.verify("1001", "given") is not None
    await engine.dispose()
