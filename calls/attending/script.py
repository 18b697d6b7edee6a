"""What machines that speak to a caller take in, and what they want done."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

RatingOutcome = Literal["rated", "timeout", "invalid", "hung_up"]

MUSIC: Final = "music"
"""Said alone, in no language."""
GREETING: Final = "welcome"
"""A line may have one of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One announcement, as ``telephony.announcements`` names them, and its number."""

    announcement: str
    number: int | None = None


# -- inputs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """Begin; always the first input."""


@dataclass(frozen=True, slots=True)
class SayingEnded:
    """All that was last to be said was said, or cannot be."""


@dataclass(frozen=True, slots=True)
class PlaceTold:
    """The answer to AskPlace.

    Attributes:
        ahead: how many wait before this caller; None: he is being put through, or it is not known.
        seconds: how long he will probably wait; None: it is not known.
    """

    ahead: int | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The caller pressed a key: one of ``0-9*#A-D``."""

    key: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller has hung up, or his audio is gone."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """``deadline`` has come."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to Attend: the caller hears us."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The caller waits again.

    Attributes:
        heard: he hears us: he has been answered.
    """

    heard: bool


ScriptInput = Begun | Heard | Resumed | SayingEnded | PlaceTold | Key | Gone | TimePassed


# -- effects ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attend:
    """Let the caller hear us: answer him; answered by Heard."""


@dataclass(frozen=True, slots=True)
class Say:
    """Play these one after another, in place of what is being played.

    Attributes:
        lines: in this order, each in every language.
        loop: over and over.
    """

    lines: tuple[Line, ...]
    loop: bool = False


@dataclass(frozen=True, slots=True)
class AskPlace:
    """Find out where the caller stands in the line; answered by PlaceTold."""


@dataclass(frozen=True, slots=True)
class WantsCallBack:
    """He would rather be called back than wait."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What came of asking for a rating.

    Attributes:
        outcome: ``rated``; or why there is none.
        score: 1 (very dissatisfied) to 5 (very satisfied), with ``rated`` alone.
    """

    outcome: RatingOutcome
    score: int | None = None


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Hang up; always the last effect."""


ScriptEffect = Attend | Say | AskPlace | WantsCallBack | Rated | Dismiss


class Script(Protocol):
    """A machine that speaks to a caller."""

    @property
    def deadline(self) -> float | None:
        """When TimePassed is wanted, monotonic seconds."""

    def handle(self, event: ScriptInput, now: float) -> list[ScriptEffect]:
        """Take one input and return what is to be done."""
