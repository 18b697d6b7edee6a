"""A ticket that fills while people talk.

``TicketDraft`` is pure: utterances and corrections go in, changed fields come out. A field that an
agent corrected belongs to the agent and is never overwritten by what is heard later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from tickets.ear import Ear
from tickets.fields import FIELDS, FieldChange, FieldValue, Source, check

Speaker = Literal["caller", "agent"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one party said in one breath, as the recogniser wrote it (no punctuation needed).

    Attributes:
        speaker: ``caller`` or ``agent``.
        text: the words.
        start: seconds since the answer.
        end: seconds since the answer.
    """

    speaker: Speaker
    text: str
    start: float = 0.0
    end: float = 0.0


_EMPTY: Mapping[str, Any] = {
    "urgent": False,
    "urgency": "普通",
    "secret": False,
    "repeat": False,
    "content": "",
}


class TicketDraft:
    """The fields of one call's ticket.

    Args:
        ticket_id: the ticket's number.
        caller_id: the number the citizen calls from, the call-back number until he says another
            complete one; None when withheld.
    """

    def __init__(self, ticket_id: str, caller_id: str | None) -> None:
        self.ticket_id = ticket_id
        self.caller_id = caller_id
        self.fields: dict[str, FieldValue] = {
            name: FieldValue(_EMPTY.get(name), "heard") for name in FIELDS
        }
        if caller_id:
            self.fields["phone"] = FieldValue(caller_id, "caller_id")
        self._heard: list[Utterance] = []
        self._ear = Ear()

    def hear(self, utterance: Utterance) -> list[FieldChange]:
        """Take in what one party said; return the fields that changed. Never raises."""
        self._heard.append(utterance)
        changes: list[FieldChange] = []
        for field, value, evidence in self._ear.hear(utterance.speaker, utterance.text):
            changes += self._set(field, value, "heard", evidence)
        return changes

    def correct(self, field: str, value: object) -> list[FieldChange]:
        """Set a field for the agent; return what changed, fields that follow from it included.

        Raises:
            TicketError: unknown field, or a value it cannot hold; nothing was changed.
        """
        decided = {field: check(field, value)}
        if field == "urgency":
            decided["urgent"] = decided["urgency"] in {"紧急", "特急"}
        elif field == "urgent" and decided["urgent"] != self.fields["urgent"].value:
            decided["urgency"] = "紧急" if decided["urgent"] else "普通"
        if decided.get("urgent") is False:
            # Nothing may call for the fire brigade on a ticket that the agent declared calm.
            decided |= {"urgency_reason": None, "transfer": None}
        changes: list[FieldChange] = []
        for name, decision in decided.items():
            changes += self._set(name, decision, "agent", None)
        return changes

    def _set(
        self, field: str, value: Any, source: Source, evidence: str | None
    ) -> list[FieldChange]:
        old = self.fields[field]
        if source == "heard" and old.source == "agent":
            return []
        if old.source == source and old.value == value:
            return []  # said again; the first words stay the evidence
        self.fields[field] = FieldValue(value, source, evidence)
        return [FieldChange(field, value, source, evidence)]

    def values(self) -> dict[str, Any]:
        """Return the bare values by field name."""
        return {name: field.value for name, field in self.fields.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict from which ``from_dict`` makes an equal draft."""
        return {
            "ticket_id": self.ticket_id,
            "caller_id": self.caller_id,
            "fields": {name: field.to_dict() for name, field in self.fields.items()},
            "heard": [[said.speaker, said.text, said.start, said.end] for said in self._heard],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the draft again that ``to_dict`` wrote down; it goes on hearing where it was."""
        draft = cls(data["ticket_id"], data["caller_id"])
        for said in data["heard"]:
            draft.hear(Utterance(*said))
        draft.fields = {name: FieldValue(**field) for name, field in data["fields"].items()}
        return draft
