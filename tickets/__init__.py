"""What the citizen said, turned into a ticket: slots, category, urgency, store."""

from tickets import lexicon
from tickets.draft import TicketDraft, Utterance

__all__ = ["warm_up"]


def warm_up() -> None:
    """Load dictionaries and rules now (about a second), so that the first call is not slow."""
    lexicon.warm_up()
    draft = TicketDraft("", None)
    draft.hear(Utterance("agent", "您贵姓"))
    draft.hear(Utterance("caller", "我叫李明在人民路一号我要投诉没有人受伤木子李明天的明"))
