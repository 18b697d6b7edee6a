"""What callers hear, from the settings."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from calls.attending.attendant import Attending
from calls.attending.line_up import LineUp
from calls.attending.parting import SurveyRules
from calls.attending.script import Rated
from calls.attending.waiting_room import WaitingRules
from calls.callbacks import Reason
from config.settings import Settings

PROMPTS: Final = Path(__file__).parents[1] / "config" / "prompts"


def prompts(settings: Settings) -> Path:
    """Return the folder of recordings that ship, or the city's own."""
    wanted = settings.waiting.prompts
    return (Path(wanted) if wanted else PROMPTS).absolute()


def line_up(settings: Settings) -> LineUp:
    """Make the view of who waits."""
    skills = {number: line.skill for number, line in settings.lines.items()}
    return LineUp(lambda line: skills.get(line, ""))


def attending(
    settings: Settings,
    *,
    prompts: Path,
    who_waits: LineUp,
    on_call_back: Callable[[str, str | None, str, Reason], None],
    position: Callable[[str], Awaitable[int]],
    on_rating: Callable[[str, str, int, Rated], None],
) -> Attending:
    """Say how callers are attended to."""
    waiting, rating = settings.waiting, settings.rating
    survey = SurveyRules(attempts=rating.attempts, answer_seconds=rating.answer_seconds)
    return Attending(
        prompts=prompts,
        line_up=who_waits,
        waiting=WaitingRules(
            by=waiting.by,
            after_seconds=waiting.after_seconds,
            every_seconds=waiting.every_seconds,
            place=waiting.place,
            expected_wait=waiting.expected_wait,
            call_back_key=waiting.call_back_key or None,
        ),
        survey=survey if rating.enabled else None,
        languages=waiting.languages,
        on_call_back=on_call_back,
        position=position,
        on_rating=on_rating,
    )
