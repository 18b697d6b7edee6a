"""What is kept for who looks into it: the audit trail, SIP messages, the state of health."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field


class RungOut(BaseModel):
    """A SIP message in short."""

    at: float
    inbound: bool
    peer: str
    line: str
    cseq: str
    call_id: str
    sdp: str = ""


class LadderOut(BaseModel):
    """A call's SIP messages; ``texts`` is empty when only the record is left."""

    rungs: list[RungOut]
    texts: list[str] = []


class AuditOut(BaseModel):
    """An entry of the audit trail."""

    id: int
    at: float
    who: str
    action: str
    subject: str
    detail: Mapping[str, Any] | None = None


class PartOut(BaseModel):
    """How a part of the node is."""

    status: str
    detail: str | None = None


class HealthOut(BaseModel):
    """How the node is; ``down`` means that it cannot take calls. Strangers see ``status`` alone."""

    status: str
    version: str = ""
    parts: Mapping[str, PartOut] = Field(default_factory=dict)
    counts: Mapping[str, int] = Field(default_factory=dict)
