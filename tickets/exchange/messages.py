"""What hotline and partner say to each other: JSON objects over MQTT, the same in both directions.

``docs/exchange.schema.json`` is made from these models (``python -m tickets.exchange.schema``).
A reader leaves out members that he does not know. Times are Unix seconds.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)

LONGEST_PAYLOAD = 256 * 1024
"""Octets; a longer message is refused unread."""
_LONGEST_ERROR = 300

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Line = Annotated[str, StringConstraints(max_length=200)]
Note = Annotated[str, StringConstraints(max_length=2000)]


class BadMessage(ValueError):
    """A message that cannot be taken.

    Attributes:
        id: the one it says it has, None where even that cannot be read.
    """

    def __init__(self, message: str, message_id: str | None = None) -> None:
        super().__init__(message[:_LONGEST_ERROR])
        self.id = message_id


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", str_strip_whitespace=True, allow_inf_nan=False
    )

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Refuse what no database keeps: it would come again and again, and never be taken."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("holds the character NUL")
        return value


class Matter(_Model):
    """What a ticket says; every field may be missing, and only what may be shared is there."""

    name: Line | None = None
    title: Line | None = None
    phone: Line | None = None
    address: Line | None = None
    type: Line | None = Field(default=None, description="咨询 求助 投诉 举报 建议 表扬")
    category: Line | None = Field(default=None, description="GET /api/v1/categories names them")
    topic: Line | None = None
    time: Line | None = None
    urgent: bool | None = None
    urgency: Line | None = Field(default=None, description="普通 一般 紧急 特急")
    urgency_reason: Line | None = None
    secret: bool | None = Field(default=None, description="The citizen asks for secrecy (保密)")
    repeat: bool | None = None
    party: Line | None = Field(default=None, description="Whom it is about")
    content: Annotated[str, StringConstraints(max_length=10_000)] | None = None


class _Message(_Model):
    id: Id = Field(description="The same on every repetition: the receiver takes it once")
    at: float = Field(description="When it was written, Unix seconds")


class TicketMessage(_Message):
    """A ticket is handed over; answered by ``ack`` and later by ``state``."""

    kind: Literal["ticket"] = "ticket"
    number: Number = Field(description="The sender's number of it; one number, one ticket")
    matter: Matter
    people: int | None = Field(default=None, ge=1, description="How many it concerns, if known")
    needs_officer: bool | None = Field(default=None, description="Whether police must go there")
    reopens: Number | None = Field(
        default=None, description="The number under which the old one was handed over (再处置)"
    )
    reason: Note = ""


class DraftMessage(_Message):
    """What is known so far of a call that is being transferred; nothing has to be done with it."""

    kind: Literal["draft"] = "draft"
    number: Number = Field(description="Also in the INVITE's User-to-User header (RFC 7433)")
    matter: Matter
    call: Annotated[str, StringConstraints(max_length=64)] | None = None


class StateMessage(_Message):
    """What became of a ticket that was handed over; the one with the highest step counts."""

    kind: Literal["state"] = "state"
    number: Number = Field(description="As in the ticket message")
    step: int = Field(ge=1, le=10_000)
    state: Literal["accepted", "returned", "finished"]
    reason: Note = Field(default="", description="Why it is returned, or what was done")
    theirs: Number | None = Field(default=None, description="The number it has at the receiver's")


class AckMessage(_Message):
    """A message is kept, or cannot be taken and need not be sent again."""

    kind: Literal["ack"] = "ack"
    of: Id
    error: Annotated[str, StringConstraints(max_length=_LONGEST_ERROR)] | None = None


Message = TicketMessage | DraftMessage | StateMessage | AckMessage
Wire: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def read(payload: bytes) -> Message:
    """Return the message in an MQTT payload.

    Raises:
        BadMessage: it is none; what is wrong with which member is in its text.
    """
    if len(payload) > LONGEST_PAYLOAD:
        raise BadMessage(f"longer than {LONGEST_PAYLOAD} octets")
    try:
        return Wire.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadMessage(f"{place}: {first['msg']}", _id_in(payload)) from None


def _id_in(payload: bytes) -> str | None:
    """Return the identifier of a message that is otherwise unusable."""

    class Named(_Model):
        id: Id

    try:
        return Named.model_validate_json(payload).id
    except ValidationError:
        return None


def write(message: Message) -> bytes:
    """Return the MQTT payload of a message; members that say nothing are left out."""
    return message.model_dump_json(exclude_none=True).encode()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of all messages."""
    return Wire.json_schema(mode="validation")
