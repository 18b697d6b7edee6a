"""What tickets are made by: categories, names of places, urgency, and units' deadlines."""

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.place_search import PlaceNames
from config.errors import ConfigError, Problem
from config.tickets import DeadlineSettings, HandlingSettings, TicketSettings
from tickets.gazetteer import Gazetteer, read_gazetteer
from tickets.handling import TicketDesk
from tickets.life import Deadlines
from tickets.model import BadModel
from tickets.sorting import SortingSource
from tickets.table import BadTable
from tickets.tree import BadTree, read_tree
from tickets.urgency import BadRules, UrgencyRules, read_rules
from tickets.working_days import Calendar
from tickets.written import Writer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TicketRules:
    """The city's own where it has them, else those that ship.

    Attributes:
        sorting: finds a ticket's category.
        gazetteer: the city's names; None: none.
        writer: writes down what was said, with these names put right.
        places: finds the names that an agent begins to type.
        urgency: what cannot wait; None: what ships.
    """

    sorting: SortingSource
    gazetteer: Gazetteer | None
    writer: Writer
    places: PlaceNames
    urgency: UrgencyRules | None


def ticket_rules(settings: TicketSettings) -> TicketRules:
    """Read the files that the settings name.

    Raises:
        ConfigError: one of them cannot be read, or says something impossible.
    """
    try:
        gazetteer = read_gazetteer(settings.gazetteer) if settings.gazetteer else None
        return TicketRules(
            SortingSource(
                tree=read_tree(settings.categories) if settings.categories else None,
                model=settings.category_model,
                on_error=lambda reason: log.warning("category_model_unusable", reason=reason),
            ),
            gazetteer,
            Writer(gazetteer),
            PlaceNames(gazetteer.entries if gazetteer else ()),
            read_rules(settings.urgency_rules) if settings.urgency_rules else None,
        )
    except (BadTree, BadModel, BadTable, BadRules, OSError) as error:
        raise ConfigError([Problem("tickets", "", str(error), "")]) from error


def ticket_desk(settings: HandlingSettings, engine: AsyncEngine) -> TicketDesk:
    """Return where submitted tickets are worked on."""
    calendar, deadlines = counted_by(settings)
    return TicketDesk(
        engine,
        calendar=calendar,
        deadlines=deadlines,
        dispatch=settings.webhook_url is not None,
    )


def counted_by(settings: DeadlineSettings) -> tuple[Calendar, Deadlines]:
    """Return the calendar that counts working days, and how many of them units have."""
    return (
        Calendar(holidays=settings.holidays, workdays=settings.workdays),
        Deadlines(
            settings.working_days,
            settings.working_days_by_type,
            settings.working_days_by_urgency,
        ),
    )
