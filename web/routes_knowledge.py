"""Help while talking, and the knowledge base."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from calls.help import shown
from tickets.help.knowledge import BadKnowledge, Entry, parse_entry
from tickets.help.knowledge_base import quotation
from web.auth import Admin, Asker
from web.errors import ApiError, documented, not_found
from web.routes_calls import CallId, find_call
from web.routes_tickets import TicketId, own_ticket, shown_ticket
from web.schemas_knowledge import EntryIn, EntryOut, FoundOut, HelpOut, QuoteIn
from web.schemas_tickets import TicketOut
from web.services import Served

router = APIRouter(tags=["knowledge"], responses=documented(HTTPStatus.UNAUTHORIZED))

EntryId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_ONE = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_CHANGES = _ONE | documented(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)


@router.get("/calls/{call_id}/help", summary="Help for a live call", responses=_ONE)
async def call_help(call_id: CallId, who: Asker, served: Served) -> HelpOut:
    """Return what to ask, what is known, what is alike and what was said, as of now."""
    await find_call(served, who, call_id)
    told = served.helper.latest(call_id)
    return HelpOut() if told is None else HelpOut.model_validate(told.to_dict())


@router.get("/knowledge", summary="Search the knowledge base")
async def search(
    _who: Asker,
    served: Served,
    q: Annotated[str, Query(min_length=1, max_length=500)],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[FoundOut]:
    """Return matching entries, best first; retired and expired ones are left out."""
    found = await served.knowledge.search(q, limit=limit)
    return [FoundOut.model_validate(shown(entry)) for entry in found]


@router.get("/knowledge/{entry_id}", summary="One entry", responses=_ONE)
async def entry(
    entry_id: EntryId,
    _who: Asker,
    served: Served,
    version: Annotated[int | None, Query(ge=1, description="Default: the newest.")] = None,
) -> EntryOut:
    """Return an entry's whole text; old versions too, so that a citation can be looked up."""
    found = await served.knowledge.get(entry_id, version)
    if found is None:
        raise not_found("entry")
    return _entry_out(*found)


@router.put("/knowledge/{entry_id}", summary="Add or change an entry", responses=_CHANGES)
async def change(entry_id: EntryId, body: EntryIn, who: Admin, served: Served) -> EntryOut:
    """Take an entry as Markdown with front matter; a changed one becomes a new version."""
    try:
        new = parse_entry(body.markdown, name=entry_id)
    except BadKnowledge as error:
        raise _bad(str(error)) from error
    if new.id != entry_id:
        raise _bad(f"the front matter's id is {new.id}, the path's {entry_id}")
    before = await served.knowledge.get(entry_id)
    version = await served.knowledge.put(new, who=who.id)
    served.audit.note(
        who.id,
        "knowledge.change",
        entry_id,
        {"before": before[1] if before else None, "after": version},
    )
    return _entry_out(new, version)


@router.delete(
    "/knowledge/{entry_id}",
    summary="Retire an entry",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_ONE | documented(HTTPStatus.FORBIDDEN),
)
async def retire(entry_id: EntryId, who: Admin, served: Served) -> None:
    """Take an entry out of the search; its versions stay."""
    before = await served.knowledge.get(entry_id)
    if before is None or not await served.knowledge.retire(entry_id):
        raise not_found("entry")
    served.audit.note(who.id, "knowledge.retire", entry_id, {"before": before[1], "after": None})


@router.post("/tickets/{ticket_id}/quote", summary="Quote an entry", responses=_CHANGES)
async def quote(ticket_id: TicketId, body: QuoteIn, who: Asker, served: Served) -> TicketOut:
    """Add an entry's text and citation to the ticket's content, in the agent's name."""
    ticket = await own_ticket(served, who, ticket_id)
    found = await served.knowledge.get(body.entry_id, body.version)
    if found is None:
        raise not_found("entry")
    content = ticket["fields"]["content"]["value"] or ""
    quoted = f"{content}\n{quotation(*found)}".strip()
    changed = await served.calls.correct(ticket_id, {"content": quoted}, agent_id=who.id)
    return shown_ticket(changed, who)


def _bad(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_entry", message, field="markdown")


def _entry_out(found: Entry, version: int) -> EntryOut:
    values: dict[str, Any] = {
        "id": found.id,
        "version": version,
        "title": found.title,
        "category": found.category,
        "source": found.source,
        "body": found.body,
        "keywords": found.keywords,
        "experts": found.experts,
        "valid_until": found.valid_until,
    }
    return EntryOut.model_validate(values)
