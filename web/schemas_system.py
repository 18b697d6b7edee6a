"""How the whole is: nodes, trunks, phones, processes, recognisers."""

from pydantic import BaseModel, Field


class PartOut(BaseModel):
    """A part of the node: ok, degraded, away or no_model."""

    name: str = Field(examples=["recogniser"])
    status: str
    detail: str | None = None


class AlarmOut(BaseModel):
    """Something that somebody should look at."""

    part: str
    status: str
    detail: str | None = None


class NodeOut(BaseModel):
    """A node of the hotline."""

    name: str
    here: bool = Field(description="Whether it is the one that answers.")
    silent_seconds: float = Field(description="Since it has last shown that it lives.")
    alive: bool


class ProcessOut(BaseModel):
    """A process that this node started; started again whenever it ends."""

    name: str = Field(examples=["media"])
    state: str = Field(examples=["running"])
    pid: int | None = None
    restarts: int


class TrunkOut(BaseModel):
    """A trunk, by what OPTIONS and its calls say."""

    name: str
    up: bool
    reason: str | None = Field(default=None, description="Why it is not.")
    outbound: bool = Field(description="Whether calls can be sent there at all.")
    registered: bool | None = Field(default=None, description="Null where we do not register.")
    calls: int
    max_calls: int | None = Field(default=None, description="Null: any number.")
    refused: int = Field(description="Calls that found it full since the start.")


class RegistrationOut(BaseModel):
    """A phone, at whichever node it registered."""

    agent_id: str
    address: str
    transport: str
    expires_at: float = Field(description="Unix seconds.")


class RecogniserOut(BaseModel):
    """A recogniser of this node; figures are null while it does not answer."""

    name: str
    status: str
    detail: str | None = None
    streams: int | None = None
    lag_ms: int | None = None
    shed_streams: int | None = Field(default=None, description="Heard after their calls instead.")
    shed_partials: int | None = None


class SystemOut(BaseModel):
    """Everything at one moment."""

    at: float = Field(description="Unix seconds.")
    version: str
    node: str
    status: str = Field(description="ok, degraded or down.")
    counts: dict[str, int]
    parts: list[PartOut]
    alarms: list[AlarmOut]
    nodes: list[NodeOut]
    processes: list[ProcessOut]
    trunks: list[TrunkOut]
    phones: int = Field(description="Agents with a registered phone.")
    registrations: list[RegistrationOut]
    recognisers: list[RecogniserOut]
