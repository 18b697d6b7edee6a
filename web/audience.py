"""Whom an event reaches: the agent whose matter it is, and whoever's role lets him see others'.

What an agent is shown of others is nothing. A supervisor or administrator sees everything, with
numbers masked. An inspector judges calls that are over: of others' he learns only what is over.
"""

from eventbus.catalogue import CallEnded, Event, ServiceStatus, TicketStep, TicketSubmitted
from web.access import LEADERS, READERS

FOR_EVERYBODY: tuple[type[Event], ...] = (ServiceStatus,)
"""How the node is: every page says so."""

FOR_INSPECTORS_TOO: tuple[type[Event], ...] = (CallEnded, TicketSubmitted, TicketStep)


def others_who_see(event: Event) -> frozenset[str]:
    """Return the roles that are shown an event which is not their own."""
    return READERS if isinstance(event, FOR_INSPECTORS_TOO) else LEADERS
