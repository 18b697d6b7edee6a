"""Accounts: for administrators. Every change is kept with what was before and after."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from agents.accounts import AccountExists, NewAccount
from web.auth import Admin
from web.errors import ApiError, documented, not_found
from web.ports_people import Account
from web.routes_agents import AgentId
from web.schemas_oversight import AccountChange, AccountIn
from web.schemas_people import AgentOut
from web.services import Served

router = APIRouter(
    prefix="/accounts",
    tags=["administration"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
)
_CHANGES = documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)


@router.get("", summary="All accounts")
async def accounts(_who: Admin, served: Served) -> list[AgentOut]:
    """Return everybody who may sign in, by number."""
    return [AgentOut.model_validate(account) for account in await served.accounts.list_()]


@router.post("", summary="Add an account", status_code=HTTPStatus.CREATED, responses=_CHANGES)
async def add(body: AccountIn, who: Admin, served: Served) -> AgentOut:
    """Add an account; 409 when the number is taken."""
    try:
        made = await served.accounts.create(
            NewAccount(
                id=body.id,
                name=body.name,
                password=body.password,
                sip_secret=body.phone_password,
                role=body.role,
                group=body.group,
            )
        )
    except AccountExists as error:
        raise ApiError(
            HTTPStatus.CONFLICT, "account_exists", f"{body.id} is taken", field="id"
        ) from error
    served.audit.note(who.id, "account.add", made.id, {"before": None, "after": _public(made)})
    return AgentOut.model_validate(made)


@router.patch("/{agent_id}", summary="Change an account", responses=_CHANGES)
async def change(agent_id: AgentId, body: AccountChange, who: Admin, served: Served) -> AgentOut:
    """Change name, role, group or password; nobody takes his own administration away."""
    before = await served.accounts.get(agent_id)
    if before is None:
        raise not_found("account")
    if agent_id == who.id and body.role not in {None, before.role}:
        raise ApiError(
            HTTPStatus.CONFLICT, "own_role", "another administrator changes your role", field="role"
        )
    changes = body.model_dump(exclude_none=True, exclude={"password"})
    after = await served.accounts.change(agent_id, **changes)
    if after is None:
        raise not_found("account")
    if body.password is not None:
        await served.accounts.set_password(agent_id, body.password)
        # Whoever was signed in by the former password must show the new one; the asker has not
        # left his own session.
        await served.sessions.revoke_others(agent_id, keep=who.token)
        served.feed.end_other_sessions(agent_id, keep=who.token)
    detail: dict[str, Any] = {"before": _public(before), "after": _public(after)}
    if body.password is not None:
        detail["password"] = "changed"  # noqa: S105 - that it was, never what it is
    served.audit.note(who.id, "account.change", agent_id, detail)
    return AgentOut.model_validate(after)


def _public(account: Account) -> dict[str, Any]:
    return {"name": account.name, "role": account.role, "group": account.group}
