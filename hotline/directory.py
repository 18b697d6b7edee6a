"""Whom calls can go to, from the settings."""

from collections.abc import Callable, Collection, Mapping
from datetime import time

from calls.directory import Directory, Partner
from calls.duty import Duty
from calls.experts import Expert
from config.directory import PartnerSettings
from config.experts import ExpertSettings
from config.settings import Settings


def directory(settings: Settings, *, skills: Callable[[], Collection[str]] = tuple) -> Directory:
    """Make the directory; ``skills``: those that routing knows now."""
    dialing = settings.dialing
    return Directory(
        partners=partners_of(settings.partners),
        lines=tuple(settings.lines),
        experts=experts_of(settings.experts),
        allowed={
            "agent": dialing.agent,
            "supervisor": dialing.supervisor,
            "admin": dialing.admin,
        },
        skills=skills,
    )


def partners_of(settings: Mapping[str, PartnerSettings]) -> list[Partner]:
    """Return the partners, in their order."""
    return [_partner(name, partner) for name, partner in settings.items()]


def experts_of(settings: Mapping[str, ExpertSettings]) -> list[Expert]:
    """Return the specialists, in their order."""
    return [_expert(name, expert) for name, expert in settings.items()]


def _partner(name: str, partner: PartnerSettings) -> Partner:
    opens, _, closes = (partner.hours or "").partition("-")
    return Partner(
        id=name,
        name=partner.name,
        numbers=partner.numbers,
        trunks=partner.trunks,
        opens=time.fromisoformat(opens) if opens else None,
        closes=time.fromisoformat(closes) if closes else None,
        asserts=partner.tell_withheld,
        calls_from=partner.calls_from,
        shares=partner.shares,
        one_key=partner.one_key,
        topics=partner.topics,
    )


def _expert(name: str, expert: ExpertSettings) -> Expert:
    return Expert(
        id=name,
        name=expert.name,
        topics=expert.topics,
        agent=expert.agent,
        numbers=expert.numbers,
        duty=tuple(Duty.parse(stretch) for stretch in expert.duty),
    )
