"""What helps the agent while a citizen speaks, as the API shows it."""

from datetime import date

from pydantic import BaseModel, Field

from web.schemas_base import Request


class ExpertOut(BaseModel):
    """Somebody on duty who can be asked."""

    id: str
    name: str
    unit: str
    phone: str


class FoundOut(BaseModel):
    """An entry of the knowledge base that matches."""

    id: str
    version: int
    title: str
    category: str
    source: str
    snippet: str
    experts: list[ExpertOut] = []


class EntryOut(BaseModel):
    """An entry of the knowledge base."""

    id: str
    version: int
    title: str
    category: str
    source: str
    body: str
    keywords: list[str] = []
    experts: list[str] = []
    valid_until: date | None = None


class EntryIn(Request):
    """An entry as Markdown with front matter (docs/knowledge.md)."""

    markdown: str = Field(min_length=1, max_length=60_000)


class QuoteIn(Request):
    """Which entry to quote; the version that was shown."""

    entry_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    version: int | None = Field(default=None, ge=1)


class SimilarOut(BaseModel):
    """An open ticket like the one at hand; likeness is 0 to 1."""

    ticket_id: str
    status: str
    category: str | None = None
    address: str | None = None
    unit: str | None = None
    submitted_at: float
    likeness: float


class HelpOut(BaseModel):
    """What may help the agent now."""

    topic: str | None = None
    questions: list[str] = []
    knowledge: list[FoundOut] = []
    similar: list[SimilarOut] = []
    summary: list[str] = []
