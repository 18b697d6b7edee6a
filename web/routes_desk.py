"""What an agent's desktop asks for while he talks: hold, mute, keys, whom to call, which place."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from calls.name_search import found
from web.auth import Asker, Viewer
from web.errors import ApiError, documented, not_found
from web.masking import masked
from web.ports_calls import CallControls
from web.routes_calls import CallId
from web.schemas_desk import DirectoryEntryOut, FoundCategoryOut, HoldIn, KeysIn, MuteIn, PlaceOut
from web.schemas_tickets import EarlierTicketOut
from web.services import Served, Services

router = APIRouter(responses=documented(HTTPStatus.UNAUTHORIZED))

_REFUSED = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_SEARCH = documented(HTTPStatus.UNPROCESSABLE_ENTITY)
Typed = Annotated[str, Query(max_length=200, description="Characters, pinyin, initials, number.")]
Limit = Annotated[int, Query(ge=1, le=200)]


def _own(served: Services, who: Viewer, call_id: str) -> CallControls:
    """Return the controls of the call that the asker talks in."""
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not who.may_lead(view.agent_id):
        raise not_found("call")
    if view.agent_id != who.id:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "only the agent who talks can do that")
    return served.calls.controls(call_id)


@router.post(
    "/calls/{call_id}/answer",
    summary="Answer on the desk phone",
    status_code=HTTPStatus.ACCEPTED,
    tags=["calls"],
    responses=_REFUSED,
)
async def answer(call_id: CallId, who: Asker, served: Served) -> None:
    """Tell the asker's ringing phone to answer, where it can be told (`by_click` of the live call).

    `call.answered` tells that it did. 409 when no phone of his rings that can be told.
    """
    _own(served, who, call_id).pick_up(who.id)


@router.put(
    "/calls/{call_id}/hold",
    summary="Put the citizen on hold",
    status_code=HTTPStatus.NO_CONTENT,
    tags=["calls"],
    responses=_REFUSED,
)
async def hold(call_id: CallId, body: HoldIn, who: Asker, served: Served) -> None:
    """Let agent and citizen not hear each other, or again; his phone need not do anything.

    The events `call.held` and `call.resumed` tell. A consultation ends the hold: it holds by
    itself.
    """
    _own(served, who, call_id).hold(held=body.held)


@router.put(
    "/calls/{call_id}/mute",
    summary="Be heard by nobody",
    status_code=HTTPStatus.NO_CONTENT,
    tags=["calls"],
    responses=_REFUSED,
)
async def mute(call_id: CallId, body: MuteIn, who: Asker, served: Served) -> None:
    """Let nobody hear the agent, or everybody again; he hears. `call.muted` tells."""
    _own(served, who, call_id).mute(muted=body.muted)


@router.post(
    "/calls/{call_id}/keys",
    summary="Press keys",
    status_code=HTTPStatus.NO_CONTENT,
    tags=["calls"],
    responses=_REFUSED,
)
async def keys(call_id: CallId, body: KeysIn, who: Asker, served: Served) -> None:
    """Press keys (RFC 4733) towards those who hear the agent: a partner's voice menu, say."""
    await _own(served, who, call_id).press(body.keys)


@router.get(
    "/directory", summary="Whom a call can be passed on to", tags=["calls"], responses=_SEARCH
)
async def directory(
    who: Asker, served: Served, q: Typed = "", limit: Limit = 50
) -> list[DirectoryEntryOut]:
    """Search partners, lines and colleagues by name, pinyin, its initials, or number.

    Partners are also found by what they are called for.

    Best match first; without `q` all, partners first, then colleagues on the floor, then lines.
    """
    entries = [entry for entry in await _everybody(served) if entry.target != f"agent:{who.id}"]
    by_each_word = (
        (entry, word, entry.numbers) for entry in entries for word in (entry.name, *entry.topics)
    )
    # Whoever is found by several words stands where the best of them puts him.
    return list({entry.target: entry for entry in found(q, by_each_word)}.values())[:limit]


async def _everybody(served: Services) -> list[DirectoryEntryOut]:
    partners = [
        DirectoryEntryOut(
            target=f"partner:{partner['id']}",
            kind="partner",
            name=partner["name"],
            numbers=partner["numbers"],
            topics=partner["topics"],
            available=partner["open"],
        )
        for partner in served.calls.partners()
    ]
    states = {presence.agent_id: presence.state for presence in await served.floor.everyone()}
    agents = [
        DirectoryEntryOut(
            target=f"agent:{account.id}",
            kind="agent",
            name=account.name,
            numbers=[account.id],
            available=states[account.id] == "ready",
            state=states[account.id],
        )
        for account in await served.accounts.list_()
        if states.get(account.id, "signed_out") != "signed_out"
    ]
    lines = [
        DirectoryEntryOut(
            target=f"line:{number}", kind="line", name=name, numbers=[number], available=True
        )
        for number, name in served.calls.lines().items()
    ]
    skills = [
        DirectoryEntryOut(
            target=f"skill:{skill}", kind="skill", name=skill, numbers=[], available=True
        )
        for skill in sorted(served.calls.skills())
    ]
    return partners + agents + lines + skills


@router.get(
    "/calls/{call_id}/history",
    summary="The earlier tickets of whoever calls",
    tags=["calls"],
    responses=_SEARCH | documented(HTTPStatus.NOT_FOUND),
)
async def callers_history(call_id: CallId, who: Asker, served: Served) -> list[EarlierTicketOut]:
    """Return the caller's earlier tickets while his call rings or goes on, secret ones left out."""
    view = next((view for view in served.calls.live() if view.call_id == call_id), None)
    if view is None or not who.may_lead(view.agent_id):
        raise not_found("call")
    earlier = await served.calls.history_of_caller(view.caller) if view.caller else []
    served.audit.note(who.id, "history.view", call_id)
    talks = view.agent_id == who.id and view.state == "talking"
    shown = earlier if talks else masked(earlier)
    return [
        EarlierTicketOut.model_validate(ticket)
        for ticket in shown
        if ticket["id"] != view.ticket_id
    ]


@router.get(
    "/categories/search", summary="Search the category tree", tags=["tickets"], responses=_SEARCH
)
async def search_categories(
    _who: Asker, served: Served, q: Typed = "", limit: Limit = 20
) -> list[FoundCategoryOut]:
    """Return categories and topics by characters, pinyin or initials, the best match first."""
    places = [
        (FoundCategoryOut(category=category["name"], topic=topic), topic or category["name"], ())
        for category in served.calls.categories()
        for topic in (None, *category["topics"])
    ]
    return found(q, places)[:limit]


@router.get("/places", summary="Complete the name of a place", tags=["tickets"], responses=_SEARCH)
async def places(
    _who: Asker,
    served: Served,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=20)] = 8,
) -> list[PlaceOut]:
    """Return names of the city's list that may complete what was typed; none without a list.

    What was typed may begin with something else (街道, house number): the longest end of it that
    begins a name counts, in characters or in pinyin initials.
    """
    return [
        PlaceOut(name=name, kind=kind, start=start)
        for name, kind, start in served.calls.places(q, limit=limit)
    ]
