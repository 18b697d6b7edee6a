"""What health says of the exchange of tickets."""

from hotline.exchange import ExchangeStatus


def test_not_to_hear_is_worse_than_not_to_be_heard() -> None:
    told: list[tuple[str, str | None]] = []
    status = ExchangeStatus(lambda how, why: told.append((how, why)))
    silent = ("degraded", "no acknowledgement from 110")
    deaf = ("degraded", "the broker refuses x/from: 0x80")
    status.refused(None)
    status.answers(*silent)
    status.refused("x/from: 0x80")
    status.answers("ok", None)
    status.refused(None)
    assert told == [("ok", None), silent, deaf, deaf, ("ok", None)]
