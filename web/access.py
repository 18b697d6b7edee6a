"""Who may ask for what: one row for each route.

The rows say what the checks in the routes do (`web.auth`); a test compares them with the
application's routes and tries each with every role, so no route is forgotten on either side. A row
names roles only: that an agent is shown his own calls and nobody else's is the route's matter.
"""

from collections.abc import Mapping
from typing import Final

AGENT: Final = "agent"
SUPERVISOR: Final = "supervisor"
INSPECTOR: Final = "inspector"
ADMIN: Final = "admin"

ROLES: Final = (AGENT, SUPERVISOR, INSPECTOR, ADMIN)

EVERYBODY: Final = frozenset(ROLES)
"""Everybody who is signed in."""
READERS: Final = frozenset({SUPERVISOR, INSPECTOR, ADMIN})
"""Who reads others' past calls, listens to them and judges them."""
LEADERS: Final = frozenset({SUPERVISOR, ADMIN})
"""Who sees the floor as it is, and acts on it."""
ADMINS: Final = frozenset({ADMIN})
CALLERS: Final = LEADERS | {AGENT}
"""Who talks with citizens, and calls them back."""

PUBLIC: Final = frozenset[str]()
"""No session is asked for."""

TABLE: Final[Mapping[str, frozenset[str]]] = {
    "POST /session": PUBLIC,
    "GET /health": PUBLIC,
    "DELETE /session": EVERYBODY,
    "GET /me": EVERYBODY,
    "PUT /me/presence": EVERYBODY,
    "POST /me/wrap-up/end": EVERYBODY,
    "POST /me/wrap-up/extend": EVERYBODY,
    "WS /feed": EVERYBODY,
    "POST /me/phone": EVERYBODY,
    "WS /me/phone/line": EVERYBODY,
    "GET /agents": LEADERS,
    "GET /agents/{agent_id}": LEADERS,
    "POST /agents/{agent_id}/presence": LEADERS,
    "GET /calls": EVERYBODY,
    "GET /calls/live": EVERYBODY,
    "GET /calls/{call_id}": EVERYBODY,
    "GET /calls/{call_id}/transcript": EVERYBODY,
    "GET /calls/{call_id}/recording": EVERYBODY,
    "PUT /calls/{call_id}/recording/pause": EVERYBODY,
    "POST /calls/{call_id}/hang-up": EVERYBODY,
    "POST /calls/{call_id}/redactions": LEADERS,
    "POST /calls/{call_id}/transfer": EVERYBODY,
    "GET /calls/{call_id}/help": EVERYBODY,
    "GET /calls/{call_id}/ladder": ADMINS,
    "GET /calls/{call_id}/ladder.txt": ADMINS,
    "GET /tickets": EVERYBODY,
    "GET /categories": EVERYBODY,
    "GET /categories/search": EVERYBODY,
    "GET /tickets/{ticket_id}": EVERYBODY,
    "PATCH /tickets/{ticket_id}": EVERYBODY,
    "GET /tickets/{ticket_id}/history": EVERYBODY,
    "POST /tickets/{ticket_id}/submit": EVERYBODY,
    "GET /tickets/{ticket_id}/steps": EVERYBODY,
    "POST /tickets/{ticket_id}/steps": EVERYBODY,
    "POST /tickets/{ticket_id}/quote": EVERYBODY,
    "POST /calls/{call_id}/transfer/{step}": EVERYBODY,
    "GET /calls/{call_id}/withheld-number": ADMINS,
    "POST /calls/{call_id}/answer": EVERYBODY,
    "PUT /calls/{call_id}/hold": EVERYBODY,
    "PUT /calls/{call_id}/mute": EVERYBODY,
    "POST /calls/{call_id}/keys": EVERYBODY,
    "GET /partners": EVERYBODY,
    "GET /callbacks": CALLERS,
    "GET /callbacks/hours": CALLERS,
    "POST /tickets/{ticket_id}/call-back": CALLERS,
    "POST /callbacks/{entry_id}/call": CALLERS,
    "POST /callbacks/{entry_id}/close": CALLERS,
    "GET /dispositions": EVERYBODY,
    "PUT /calls/{call_id}/disposition": EVERYBODY,
    "GET /experts": EVERYBODY,
    "POST /calls/{call_id}/one-key/{partner_id}": EVERYBODY,
    "DELETE /calls/{call_id}/parties/{party}": EVERYBODY,
    "GET /calls/{call_id}/history": EVERYBODY,
    "GET /directory": EVERYBODY,
    "GET /places": EVERYBODY,
    "PUT /calls/{call_id}/supervision": LEADERS,
    "DELETE /calls/{call_id}/supervision": LEADERS,
    "POST /calls/{call_id}/assign": LEADERS,
    "POST /calls/{call_id}/pull": LEADERS,
    "POST /agents/{agent_id}/sign-out": LEADERS,
    "GET /me/inbox": CALLERS,
    "POST /me/inbox/{handover_id}/decision": CALLERS,
    "POST /me/inbox/{handover_id}/reopen": CALLERS,
    "GET /exchange": LEADERS,
    "GET /exchange/{handover_id}": LEADERS,
    "POST /exchange/{handover_id}/decision": LEADERS,
    "POST /exchange/{handover_id}/reopen": LEADERS,
    "POST /tickets/{ticket_id}/hand-over": EVERYBODY,
    "GET /calls/{call_id}/partner-draft": EVERYBODY,
    "GET /knowledge": EVERYBODY,
    "GET /knowledge/{entry_id}": EVERYBODY,
    "PUT /knowledge/{entry_id}": ADMINS,
    "DELETE /knowledge/{entry_id}": ADMINS,
    "GET /statistics/live": LEADERS,
    "GET /statistics/intervals": LEADERS,
    "WS /board": LEADERS,
    "GET /call-search": READERS,
    "GET /calls/{call_id}/waveform": READERS,
    "GET /calls/{call_id}/assessments": READERS,
    "POST /calls/{call_id}/assessments": READERS,
    "GET /accounts": ADMINS,
    "POST /accounts": ADMINS,
    "PATCH /accounts/{agent_id}": ADMINS,
    "GET /routing": ADMINS,
    "PUT /routing": ADMINS,
    "DELETE /routing": ADMINS,
    "GET /routing/reasons": EVERYBODY,
    "GET /me/breaks": EVERYBODY,
    "GET /agents/{agent_id}/breaks": LEADERS,
    "GET /routing/changes": ADMINS,
    "PUT /routing/{section}/{name}": ADMINS,
    "DELETE /routing/{section}/{name}": ADMINS,
    "GET /documents": ADMINS,
    "GET /documents/{name}": ADMINS,
    "PUT /documents/{name}": ADMINS,
    "DELETE /documents/{name}": ADMINS,
    "POST /documents/{name}/check": ADMINS,
    "GET /documents/{name}/rows": ADMINS,
    "PUT /documents/{name}/rows/{section}": ADMINS,
    "GET /documents/{name}/changes": ADMINS,
    "GET /documents/{name}/versions/{number}": ADMINS,
    "PUT /documents/{name}/entries/{section}/{key}": ADMINS,
    "DELETE /documents/{name}/entries/{section}/{key}": ADMINS,
    "GET /system": LEADERS,
    "GET /prompts": ADMINS,
    "GET /prompts/{name}": ADMINS,
    "PUT /prompts/{name}": ADMINS,
    "DELETE /prompts/{name}": ADMINS,
    "GET /audit": ADMINS,
    "GET /reports/{period}": LEADERS,
}
"""Method and path below ``/api/v1`` → the roles that are not answered 403."""
