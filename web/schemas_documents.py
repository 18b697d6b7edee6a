"""Documents as administrators see and change them."""

from typing import Any

from pydantic import BaseModel, Field

from web.schemas_base import Request


class DocumentIn(Request):
    """A whole document."""

    document: dict[str, Any]


class EntryIn(Request):
    """One entry of a section."""

    entry: dict[str, Any]


class RowsIn(Request):
    """The rows of a text's list, in their order."""

    rows: list[dict[str, Any]] = Field(max_length=100_000)


class RowsOut(BaseModel):
    """The rows of each of a text's lists."""

    name: str = Field(examples=["urgency"])
    version: int
    changed: bool
    rows: dict[str, list[dict[str, Any]]] = Field(
        description="List to rows; options that a row leaves out are missing."
    )


class DocumentOut(BaseModel):
    """A document as it is in force."""

    name: str = Field(examples=["partners"])
    version: int = Field(description="Counted from 1; 0: as the configuration says.")
    changed: bool = Field(description="Whether it is anything else than the configuration's.")
    document: dict[str, Any]


class DocumentListed(BaseModel):
    """A document in the list."""

    name: str
    version: int
    changed: bool
    unusable: int | None = Field(
        description="A newer version that this node cannot read: the one before goes on."
    )
    sections: list[str] = Field(description="Whose entries can be changed one at a time.")


class CountsOut(BaseModel):
    """How much a document holds."""

    counts: dict[str, int] = Field(examples=[{"names": 1204, "kinds": 6}])


class ChangeOut(BaseModel):
    """Who changed what, and when; of a text ``before`` and ``after`` are lines."""

    at: float = Field(description="Unix seconds.")
    who: str
    subject: str = Field(examples=["partners.110"])
    version: int | None = None
    before: Any = None
    after: Any = None
