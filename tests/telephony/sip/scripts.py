"""Playing a transaction machine in virtual time."""

from telephony.sip.transaction import Effect, TimeUp, Transaction, TransactionInput

Step = tuple[float, TransactionInput, list[Effect]]


def play(machine: Transaction, *steps: Step) -> None:
    """Feed each input at its time and compare the effects."""
    for now, event, expected in steps:
        assert machine.handle(event, now) == expected, f"{event} at {now}"


def run_out(machine: Transaction) -> list[tuple[float, list[Effect]]]:
    """Let time pass, with nothing else happening, until no timer runs; return what happened."""
    happened: list[tuple[float, list[Effect]]] = []
    while (deadline := machine.deadline) is not None:
        happened.append((deadline, machine.handle(TimeUp(), deadline)))
    return happened
