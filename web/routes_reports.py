"""The day, the week, the month: for supervisors, in four formats."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response

from calls.reporting.page import POLICY, to_page
from calls.reporting.period import Period
from calls.reporting.report import Report
from calls.reporting.tables import to_csv, to_xlsx
from web.auth import Supervisor
from web.errors import documented
from web.services import Served

router = APIRouter(
    prefix="/reports",
    tags=["reports"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
)

Format = Literal["json", "csv", "xlsx", "html"]

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES: Mapping[str, tuple[str, Callable[[Report], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", to_csv),
    "xlsx": (_XLSX, to_xlsx),
}


@router.get(
    "/{period}",
    summary="A report",
    response_class=Response,
    responses={
        HTTPStatus.OK: {
            "content": {"application/json": {}, "text/csv": {}, _XLSX: {}, "text/html": {}},
            "description": "The report, in the format that was asked for.",
        }
    },
)
async def report(
    period: Annotated[
        str,
        Path(
            pattern=r"^[0-9]{4}-([0-9]{2}(-[0-9]{2})?|W[0-9]{2})$",
            description="`2026-11-22`, `2026-W47` or `2026-11`.",
        ),
    ],
    who: Supervisor,
    served: Served,
    format: Annotated[Format, Query()] = "json",  # noqa: A002 - the query's name
) -> Response:
    """Return the figures of a day, week or month; every percentage with its denominator."""
    wanted = Period.parse(period)
    made = await served.reports.report(wanted)
    served.audit.note(who.id, "report.export", wanted.name, {"format": format})
    if format == "json":
        return JSONResponse(made.to_dict())
    if format == "html":
        page = await anyio.to_thread.run_sync(_page, made, who.id)
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": POLICY})
    media_type, write = _FILES[format]
    headers: dict[str, Any] = {
        "Content-Disposition": f'attachment; filename="hotline-{wanted.name}.{format}"'
    }
    body = await anyio.to_thread.run_sync(write, made)
    return Response(body, media_type=media_type, headers=headers)


def _page(made: Report, viewer: str) -> bytes:
    return to_page(made, watermark=f"导出人 {viewer}")
