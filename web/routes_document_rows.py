"""The lists of text documents row by row: rules of urgency, topics, categories, names.

A text is in force as it was written (``web/routes_documents.py``); here are its lists as forms show
them. A change writes only those rows anew that are another, comments stay, and the whole is a new
version like any other.
"""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter

from calls.document_rows import shown, written
from web.auth import Admin
from web.errors import documented, not_found
from web.routes_documents import CHANGES, Asked, Expected, Section, refusing
from web.schemas_documents import RowsIn, RowsOut

_MISSING = documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)

router = APIRouter(
    prefix="/documents/{name}/rows",
    tags=["documents"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)


@router.get("", summary="The rows of a text", responses=_MISSING)
async def rows(_who: Admin, book: Asked) -> RowsOut:
    """Return the rows of each list, in the text's order; 404 where a document has entries."""
    if not book.form.lists:
        raise not_found("list")
    return RowsOut(
        name=book.name,
        version=book.version,
        changed=book.changed,
        rows=await asyncio.to_thread(shown, book.form.lists, book.document),
    )


@router.put("/{section}", summary="Change the rows of a text", responses=CHANGES)
async def replace(
    *, who: Admin, book: Asked, section: Section, body: RowsIn, expected: Expected = None
) -> RowsOut:
    """Put these rows in the place of a list's; what is wrong is named by its place in them."""
    if section not in book.form.lists:
        raise not_found("list")
    version = book.version if expected is None else expected
    with refusing():
        document = await asyncio.to_thread(
            written, book.form.lists, book.document, section, body.rows
        )
        await book.replace(document, who=who.id, expected=version)
    return await rows(who, book)
