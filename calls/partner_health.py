"""Whether partners can be reached, as the latest calls to them tell. Pure."""

from collections.abc import Sequence
from typing import Literal

from calls.party import Segment

Health = Literal["ok", "failing", "unknown"]

#: Who could not be reached so long ago may be back; nobody knows until he is called again.
REMEMBERED_SECONDS = 900.0


class PartnerHealth:
    """What came of the latest call to each partner.

    A busy partner, or one who does not pick up, is well: his line works.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[bool, float]] = {}

    def follow(self, segments: Sequence[Segment]) -> None:
        """Take what came of a call's parties; a partner that still rings tells nothing.

        May be told of the same segments again.
        """
        for segment in segments:
            at = segment.answered_at or segment.ended_at
            if segment.partner_id is None or at is None or segment.outcome == "cancelled":
                continue
            _, before = self._latest.get(segment.partner_id, (True, at))
            if at >= before:
                self._latest[segment.partner_id] = segment.outcome != "unreachable", at

    def of(self, partner_id: str, now: float) -> Health:
        """Return a partner's health."""
        reached, at = self._latest.get(partner_id, (True, float("-inf")))
        if now - at > REMEMBERED_SECONDS:
            return "unknown"
        return "ok" if reached else "failing"
