"""What the API says and takes about the exchange of tickets with partners."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from web.schemas_base import Request

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class HandoverOut(BaseModel):
    """A ticket, or a call's draft, that was handed over.

    ``number`` is the sender's, ``ticket_id`` ours, ``theirs`` the partner's. ``state``: sent (he
    has not decided), arrived (we have to decide), accepted, returned, finished. ``matter`` is what
    a partner said, until it stands in a ticket. ``acked_at``: when the partner had it; ``alarmed``:
    he was silent for too long, or refused it (``error``).
    """

    id: int
    partner: str
    direction: Literal["in", "out"]
    kind: Literal["ticket", "draft"]
    number: str
    state: Literal["sent", "arrived", "accepted", "returned", "finished"]
    ticket_id: str | None = None
    theirs: str | None = None
    reason: str = ""
    rule: str | None = None
    reopens: str | None = None
    matter: dict[str, Any] = {}
    call: str | None = None
    created_at: float
    changed_at: float
    acked_at: float | None = None
    attempts: int | None = None
    alarmed: bool | None = None
    error: str | None = None


class HandOverIn(Request):
    """To whom a ticket is handed over, and why."""

    partner: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    reason: Reason = ""


class DecisionIn(Request):
    """Whether a partner's ticket is taken in; what goes back needs the reason."""

    accepted: bool
    reason: Reason = ""


class ReopenIn(Request):
    """Why a finished matter is taken up again (再处置)."""

    reason: Annotated[Reason, Field(min_length=1)]
