"""Words that a call's inputs and effects share."""

from typing import Literal

OfferOutcome = Literal["missed", "refused", "busy", "unreachable", "cancelled"]


EndedBy = Literal["citizen", "agent", "partner", "system"]


TransferMode = Literal["blind", "consult", "conference"]


TransferStage = Literal[
    "started", "ringing", "joined", "merged", "completed", "cancelled", "failed", "left"
]
