"""The server transactions, input by input, against RFC 3261 §17.2 and RFC 6026."""

import pytest
from aiosipua import SipResponse

from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import make_response
from telephony.sip.server_transaction import (
    InviteServerTransaction,
    NonInviteServerTransaction,
    server_transaction,
)
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Fail,
    Received,
    Respond,
    Send,
    Start,
    Terminated,
    Timers,
    TransactionInput,
    TransportFailed,
)
from tests.telephony.sip.samples import request, response
from tests.telephony.sip.scripts import play, run_out

INVITE, AGAIN, ACK = request(), request(), request("ACK")
OPTIONS = request("OPTIONS")
RINGING, OK, BUSY = (response(status, INVITE) for status in (180, 200, 486))
DONE = make_response(OPTIONS, 200)
PROGRESS = make_response(OPTIONS, 100)


def invite() -> InviteServerTransaction:
    machine = InviteServerTransaction(INVITE, Timers())
    play(machine, (0.0, Received(INVITE), [Deliver(INVITE)]))
    return machine


def options() -> NonInviteServerTransaction:
    machine = NonInviteServerTransaction(OPTIONS, Timers())
    play(machine, (0.0, Received(OPTIONS), [Deliver(OPTIONS)]))
    return machine


def test_the_machine_follows_from_the_method() -> None:
    assert isinstance(server_transaction(INVITE, Timers()), InviteServerTransaction)
    assert isinstance(server_transaction(OPTIONS, Timers()), NonInviteServerTransaction)


def test_100_is_sent_after_200_ms_and_then_it_may_ring_for_ever() -> None:
    machine = invite()
    [(at, effects)] = run_out(machine)
    assert (at, machine.state, machine.deadline) == (0.2, "proceeding", None)
    trying = machine.last_response
    assert trying is not None
    assert (effects, trying.status_code) == ([Send(trying)], 100)
    play(machine, (0.5, Received(AGAIN), [Send(trying)]))


def test_a_retransmission_before_that_gets_100_at_once() -> None:
    machine = invite()
    machine.handle(Received(AGAIN), 0.1)
    trying = machine.last_response
    assert trying is not None
    assert (trying.status_code, machine.deadline) == (100, None)


def test_a_user_who_answers_at_once_needs_no_100() -> None:
    machine = invite()
    play(
        machine,
        (0.1, Respond(RINGING), [Send(RINGING)]),
        (0.5, Received(AGAIN), [Send(RINGING)]),
    )
    assert machine.deadline is None


def test_a_refusal_is_repeated_until_the_ack_comes() -> None:
    machine = invite()
    play(machine, (0.1, Respond(BUSY), [Send(BUSY)]), (0.2, Received(AGAIN), [Send(BUSY)]))
    assert (machine.state, machine.deadline) == ("completed", 0.6)
    play(
        machine,
        (0.7, Received(ACK), []),
        (0.8, Received(ACK), []),
        (0.8, Received(AGAIN), []),
    )
    assert machine.state == "confirmed"
    assert run_out(machine) == [(5.7, [Terminated()])]
    play(machine, (6.0, Received(AGAIN), []))


def test_a_refusal_that_is_never_acknowledged_is_given_up() -> None:
    machine = invite()
    machine.handle(Respond(BUSY), 0.0)
    happened = run_out(machine)
    assert [at for at, _ in happened] == [
        0.5,
        1.5,
        3.5,
        7.5,
        11.5,
        15.5,
        19.5,
        23.5,
        27.5,
        31.5,
        32.0,
    ]
    assert [effects for _, effects in happened] == [[Send(BUSY)]] * 10 + [
        [Terminated(), Fail("timeout")]
    ]


def test_an_accepted_invite_absorbs_its_retransmissions_and_leaves_the_2xx_to_its_user() -> None:
    machine = invite()
    play(
        machine,
        (0.1, Respond(OK), [Send(OK)]),
        (0.6, Respond(OK), [Send(OK)]),
        (0.7, Received(AGAIN), []),
        (0.8, Received(ACK), [Deliver(ACK)]),
    )
    assert machine.state == "accepted"
    assert run_out(machine) == [(32.1, [Terminated()])]


def test_an_ack_before_any_answer_means_nothing() -> None:
    machine = invite()
    play(machine, (0.1, Received(ACK), []))
    assert machine.state == "proceeding"


@pytest.mark.parametrize("final", [200, 486])
def test_the_user_is_told_of_a_refused_datagram_once_and_the_machine_stays(final: int) -> None:
    machine = invite()
    machine.handle(Respond(response(final, INVITE)), 0.1)
    state = machine.state
    play(machine, (0.1, TransportFailed(), [Fail("transport")]), (0.6, TransportFailed(), []))
    assert machine.state == state
    assert run_out(machine)[-1] == (32.1, [Terminated()])


def test_a_request_is_handed_over_once_and_its_answer_repeated() -> None:
    machine = options()
    play(
        machine,
        (0.5, Received(OPTIONS), []),
        (1.0, Respond(PROGRESS), [Send(PROGRESS)]),
        (1.5, Received(OPTIONS), [Send(PROGRESS)]),
        (2.0, Respond(DONE), [Send(DONE)]),
        (2.5, Received(OPTIONS), [Send(DONE)]),
    )
    assert machine.state == "completed"
    assert run_out(machine) == [(34.0, [Terminated()])]
    play(machine, (35.0, Received(OPTIONS), []))


@pytest.mark.parametrize("progress", [[], [Respond(PROGRESS)]])
def test_a_request_that_its_user_forgets_ends_without_a_word(progress: list[Respond]) -> None:
    machine = options()
    for event in progress:
        machine.handle(event, 1.0)
    assert run_out(machine) == [(32.0, [Terminated(), Fail("timeout")])]


def test_the_user_of_a_request_is_told_of_a_refused_datagram() -> None:
    machine = options()
    machine.handle(Respond(DONE), 0.1)
    play(machine, (0.1, TransportFailed(), [Fail("transport")]), (0.6, TransportFailed(), []))
    assert run_out(machine) == [(32.1, [Terminated()])]


@pytest.mark.parametrize("first", [OK, BUSY])
@pytest.mark.parametrize("second", [RINGING, BUSY])
def test_a_second_answer_to_an_invite_is_our_mistake(
    first: SipResponse, second: SipResponse
) -> None:
    machine = invite()
    machine.handle(Respond(first), 0.1)
    before = (machine.state, machine.deadline, machine.last_response)
    with pytest.raises(LocalProtocolError):
        machine.handle(Respond(second), 0.2)
    assert (machine.state, machine.deadline, machine.last_response) == before


def test_a_second_answer_to_a_request_is_our_mistake() -> None:
    machine = options()
    machine.handle(Respond(DONE), 0.1)
    with pytest.raises(LocalProtocolError):
        machine.handle(Respond(PROGRESS), 0.2)
    assert machine.last_response is DONE


@pytest.mark.parametrize("event", [Start(), Cancelled(), Received(OK)])
def test_inputs_of_the_other_side_are_our_mistake(event: TransactionInput) -> None:
    for machine in (invite(), options()):
        with pytest.raises(LocalProtocolError):
            machine.handle(event, 0.1)


def test_over_a_reliable_transport_nothing_is_repeated_or_waited_for() -> None:
    """RFC 3261 §17.2: no timer G, and zero for I and J."""
    refused = InviteServerTransaction(INVITE, Timers(), reliable=True)
    play(
        refused,
        (0.0, Received(INVITE), [Deliver(INVITE)]),
        (0.1, Respond(BUSY), [Send(BUSY)]),
        (5.0, Received(ACK), [Terminated()]),
    )
    unacknowledged = InviteServerTransaction(INVITE, Timers(), reliable=True)
    unacknowledged.handle(Received(INVITE), 0.0)
    unacknowledged.handle(Respond(BUSY), 0.0)
    assert run_out(unacknowledged) == [(32.0, [Terminated(), Fail("timeout")])]

    asked = NonInviteServerTransaction(OPTIONS, Timers(), reliable=True)
    play(
        asked,
        (0.0, Received(OPTIONS), [Deliver(OPTIONS)]),
        (0.1, Respond(PROGRESS), [Send(PROGRESS)]),
        (0.2, Respond(DONE), [Send(DONE), Terminated()]),
    )
