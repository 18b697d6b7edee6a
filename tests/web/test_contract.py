"""The API does what its OpenAPI document says, whatever is sent, as each role."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckFunction, HookContext
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.web.house import House

HOUSE = House(Path(tempfile.mkdtemp(prefix="hotline-web-")))
schema = schemathesis.openapi.from_asgi("/api/openapi.json", HOUSE.app)
# A text without NUL is what a schema cannot ask for.
schema.config.generation.update(allow_x00=False)
_REAL = {"call_id": "c1", "ticket_id": "Tc1", "agent_id": "1001"}
ROLES = ("1001", "2001", "3001", "9001")
_WELL_FORMED = re.compile("[A-Za-z0-9._-]+")
bounded = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@schema.hook
def map_path_parameters(
    _context: HookContext, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Ask for something that exists every other time."""
    real = {name: _REAL.get(name, value) for name, value in (path_parameters or {}).items()}
    if path_parameters is None or not all(
        _WELL_FORMED.fullmatch(str(value)) for value in path_parameters.values()
    ):
        return path_parameters
    return real if len(str(path_parameters)) % 2 else path_parameters


async def _set_the_scene(who: str) -> str:
    """Let agent 1001 be in a call, and return a fresh token of the asker's."""
    if not HOUSE.exchange.handovers:
        HOUSE.exchange.arrives("JQ1")
    if not HOUSE.calls.live():
        await HOUSE.floor.sign_in("1001")
        await HOUSE.floor.set_ready("1001")
        HOUSE.calls.offer("c1", "1001")
        HOUSE.calls.answer("c1")
    HOUSE.accounts.failures.clear()
    return await HOUSE.sessions.create(who)


def _says_less(case: Case[Any]) -> bool:
    """Whether more is refused than a schema can say.

    What a complete number is and what stays filled in a ticket; that a span ends after it begins;
    what front matter must hold; what a consistent routing document is; that what is returned to a
    partner needs a reason, and what is passed on a unit; which dispositions and reasons
    there are; that a score has all its points; what each document may hold; what time is
    in the future.
    """
    return case.method == "PATCH" or case.path.endswith(
        (
            "/steps",
            "/me/presence",
            "/intervals",
            "/assessments",
            "/disposition",
            "/redactions",
            "/knowledge/{entry_id}",
            "/routing",
            "/routing/{section}/{name}",
            "/decision",
            "/call-back",
            "/documents/{name}",
            "/prompts/{name}",
            "/documents/{name}/check",
            "/documents/{name}/entries/{section}/{key}",
            "/documents/{name}/rows/{section}",
        )
    )


# Starlette would like httpx2, which is httpx under a new name; one HTTP client is enough here.
@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated")
# With parameters each test has its operation's name, without any they all have the same.
@pytest.mark.parametrize("roles", [ROLES], ids=["each-role"])
@schema.parametrize()
@bounded
def test_every_answer_is_a_documented_one(case: Case[Any], roles: Sequence[str]) -> None:
    lenient: list[CheckFunction] = [positive_data_acceptance] if _says_less(case) else []
    for who in roles:  # (to make a case takes longer than to ask it)
        token = asyncio.run(_set_the_scene(who))
        headers = {"Authorization": f"Bearer {token}"}
        try:
            case.call_and_validate(headers=headers, excluded_checks=lenient)
        except BaseException as error:
            error.add_note(f"asked by {who}")
            raise
