"""Shapes of what shift leaders ask for."""

from typing import Literal

from pydantic import Field

from web.schemas_base import Request


class SupervisionIn(Request):
    """How a supervisor wants to be in a call."""

    mode: Literal["listen", "whisper", "barge", "take_over"] = Field(
        default="listen",
        description="`listen`: hear all that the agent hears and says; `whisper`: be heard by him "
        "alone; `barge`: be heard by all; `take_over`: have the call, the agent is out.",
    )


class AssignIn(Request):
    """Who shall have a waiting call."""

    agent_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", examples=["1001"])


class ForcedOut(Request):
    """Why somebody is taken off the floor."""

    reason: str = Field(min_length=1, max_length=200, description="It is kept in the audit trail.")
