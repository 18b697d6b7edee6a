"""Documents that administrators change while calls go on: partners, rules, texts, routing.

All have the same routes. Changes count at once, on every node, and each is in the audit trail with
what was before and after. A change that names the version it was made from is refused (409) when
somebody else was faster.
"""

# ruff: noqa: FAST003 - the dependency ``Asked`` takes the name

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from calls.document_terms import BadDocument
from calls.documents import Book, StaleDocument, UnknownEntry
from web.auth import Admin
from web.errors import ApiError, conflict, documented, not_found
from web.schemas_base import Page
from web.schemas_documents import (
    ChangeOut,
    CountsOut,
    DocumentIn,
    DocumentListed,
    DocumentOut,
    EntryIn,
)
from web.services import Served

CHANGES = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_MISSING = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)

Name = Annotated[str, Path(min_length=1, max_length=64, examples=["partners"])]
Section = Annotated[str, Path(min_length=1, max_length=32, examples=["partners"])]
Key = Annotated[str, Path(min_length=1, max_length=64, examples=["110"])]
Expected = Annotated[
    int | None,
    Query(alias="version", ge=0, description="The version this change was made from."),
]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@contextmanager
def refusing() -> Iterator[None]:
    """Answer with what a book refuses."""
    try:
        yield
    except BadDocument as error:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error), field=error.field or None
        ) from error
    except StaleDocument as error:
        raise conflict("stale", str(error)) from error
    except UnknownEntry as error:
        raise not_found("entry") from error


async def changes_of(
    action: str, served: Served, *, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return a document's changes from the trail, newest first."""
    found = await served.audit.list_(action=action, limit=limit, offset=offset)
    return [
        {"at": one["at"], "who": one["who"], "subject": one["subject"], **(one["detail"] or {})}
        for one in found
    ]


def _asked(name: Name, served: Served) -> Book[Any]:
    if name not in served.documents:
        raise not_found("document")
    return served.documents[name]


Asked = Annotated[Book[Any], Depends(_asked)]
router = APIRouter(
    prefix="/documents",
    tags=["documents"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)


def _shown(book: Book[Any]) -> DocumentOut:
    return DocumentOut(
        name=book.name,
        version=book.version,
        changed=book.changed,
        document=dict(book.document),
    )


@router.get("", summary="What can be changed")
async def every(_who: Admin, served: Served) -> list[DocumentListed]:
    """Return the documents' names and versions."""
    return [
        DocumentListed(
            name=name,
            version=book.version,
            changed=book.changed,
            unusable=book.unusable,
            sections=list(book.form.sections),
        )
        for name, book in served.documents.items()
    ]


@router.get("/{name}", summary="A document in force", responses=_MISSING)
async def document(_who: Admin, book: Asked) -> DocumentOut:
    """Return the document as it is in force on this node."""
    return _shown(book)


@router.put("/{name}", summary="Change a whole document", responses=CHANGES)
async def replace(
    who: Admin, book: Asked, body: DocumentIn, expected: Expected = None
) -> DocumentOut:
    """Put another document into force; it must be complete and consistent."""
    with refusing():
        await book.replace(body.document, who=who.id, expected=expected)
    return _shown(book)


@router.delete("/{name}", summary="Go back to the configuration", responses=CHANGES)
async def reset(who: Admin, book: Asked, expected: Expected = None) -> DocumentOut:
    """Put into force what the configuration says; earlier versions are kept."""
    with refusing():
        await book.replace(None, who=who.id, expected=expected)
    return _shown(book)


@router.post("/{name}/check", summary="Try a document", responses=CHANGES)
async def check(_who: Admin, book: Asked, body: DocumentIn) -> CountsOut:
    """Say how much a document holds, or what is wrong with it; nothing is changed."""
    with refusing():
        return CountsOut(counts=await book.check(body.document))


@router.get("/{name}/changes", summary="Who changed what", responses=_MISSING)
async def changes(
    _who: Admin, book: Asked, served: Served, limit: Limit = 50, offset: Offset = 0
) -> Page[ChangeOut]:
    """Return changes, newest first."""
    found = await changes_of(book.action, served, limit=limit, offset=offset)
    items = [ChangeOut.model_validate(one) for one in found]
    return Page(items=items, limit=limit, offset=offset)


@router.get("/{name}/versions/{number}", summary="An earlier version", responses=_MISSING)
async def version(
    _who: Admin, book: Asked, number: Annotated[int, Path(ge=0, le=1_000_000)]
) -> DocumentOut:
    """Return what was in force once; 0: what the configuration says."""
    with refusing():
        kept = await book.at(number)
    return DocumentOut(name=book.name, version=number, changed=number > 0, document=dict(kept))


@router.put("/{name}/entries/{section}/{key}", summary="Set one entry", responses=CHANGES)
async def put(
    *,
    who: Admin,
    book: Asked,
    section: Section,
    key: Key,
    body: EntryIn,
    expected: Expected = None,
) -> DocumentOut:
    """Set an entry of a section; the rest stays as it is."""
    with refusing():
        await book.put(section, key, body.entry, who=who.id, expected=expected)
    return _shown(book)


@router.delete("/{name}/entries/{section}/{key}", summary="Remove one entry", responses=CHANGES)
async def remove(
    *, who: Admin, book: Asked, section: Section, key: Key, expected: Expected = None
) -> DocumentOut:
    """Remove an entry that nothing else names."""
    with refusing():
        await book.put(section, key, None, who=who.id, expected=expected)
    return _shown(book)
