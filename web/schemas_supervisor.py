"""Shapes of what shift leaders ask for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SupervisionIn(BaseModel):
    """How a supervisor wants to be in a call."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["listen", "whisper", "barge", "take_over"] = Field(
        default="listen",
        description="`listen`: hear all that the agent hears and says; `whisper`: be heard by him "
        "alone; `barge`: be heard by all; `take_over`: have the call, the agent is out.",
    )


class AssignIn(BaseModel):
    """Who shall have a waiting call."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", examples=["1001"])


class ForcedOut(BaseModel):
    """Why somebody is taken off the floor."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200, description="It is kept in the audit trail.")
