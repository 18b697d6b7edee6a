"""The client transactions, input by input, against RFC 3261 §17.1 and RFC 6026."""

import pytest

from telephony.sip.client_transaction import (
    InviteClientTransaction,
    NonInviteClientTransaction,
    client_transaction,
)
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import make_response
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
    TimeUp,
    TransportFailed,
)
from tests.telephony.sip.samples import request, response
from tests.telephony.sip.scripts import play, run_out

INVITE = request()
OPTIONS = request("OPTIONS")
TRYING, RINGING, OK, BUSY = (response(status) for status in (100, 180, 200, 486))
LATER_OK = response(200, tag="another-branch")
DONE = make_response(OPTIONS, 200)
PROGRESS = make_response(OPTIONS, 100)


def invite() -> InviteClientTransaction:
    machine = InviteClientTransaction(INVITE, Timers())
    play(machine, (0.0, Start(), [Send(INVITE)]))
    return machine


def options() -> NonInviteClientTransaction:
    machine = NonInviteClientTransaction(OPTIONS, Timers())
    play(machine, (0.0, Start(), [Send(OPTIONS)]))
    return machine


def test_the_machine_follows_from_the_method() -> None:
    assert isinstance(client_transaction(INVITE, Timers()), InviteClientTransaction)
    assert isinstance(client_transaction(OPTIONS, Timers()), NonInviteClientTransaction)


def test_an_unanswered_invite_is_repeated_at_doubling_intervals_and_given_up() -> None:
    machine = invite()
    again = [Send(INVITE)]
    assert run_out(machine) == [
        (0.5, again),
        (1.5, again),
        (3.5, again),
        (7.5, again),
        (15.5, again),
        (31.5, again),
        (32.0, [Terminated(), Fail("timeout")]),
    ]
    assert machine.state == "terminated"


def test_a_provisional_response_stops_the_repetition_for_as_long_as_it_rings() -> None:
    machine = invite()
    play(
        machine,
        (0.1, Received(TRYING), [Deliver(TRYING)]),
        (2.0, Received(RINGING), [Deliver(RINGING)]),
    )
    assert (machine.state, machine.deadline) == ("proceeding", None)


def test_a_refusal_is_delivered_once_and_acknowledged_each_time() -> None:
    machine = invite()
    sent, delivered = machine.handle(Received(BUSY), 0.3)
    assert delivered == Deliver(BUSY)
    assert isinstance(sent, Send)
    assert sent.message.headers.get("CSeq") == ["314159 ACK"]
    assert sent.message.headers.get("To") == BUSY.headers.get("To")
    play(
        machine,
        (0.8, Received(BUSY), [sent]),
        (1.8, Received(response(486)), [sent]),
        (1.9, Received(RINGING), []),
        (1.9, Received(OK), []),
    )
    assert machine.state == "completed"
    assert run_out(machine) == [(32.3, [Terminated()])]


def test_every_2xx_is_delivered_for_timer_m() -> None:
    machine = invite()
    play(
        machine,
        (0.1, Received(RINGING), [Deliver(RINGING)]),
        (3.0, Received(OK), [Deliver(OK)]),
        (3.5, Received(OK), [Deliver(OK)]),
        (4.0, Received(LATER_OK), [Deliver(LATER_OK)]),
        (4.0, Received(RINGING), []),
        (4.0, Received(BUSY), []),
        (4.0, TransportFailed(), []),
    )
    assert machine.state == "accepted"
    assert run_out(machine) == [(35.0, [Terminated()])]
    play(machine, (36.0, Received(OK), []))


def test_an_invite_answered_at_once_needs_no_provisional_response() -> None:
    machine = invite()
    play(machine, (0.1, Received(OK), [Deliver(OK)]))
    assert machine.state == "accepted"


def test_a_cancelled_invite_waits_64_t1_for_its_final_response() -> None:
    machine = invite()
    play(
        machine,
        (0.1, Received(RINGING), [Deliver(RINGING)]),
        (5.0, Cancelled(), []),
        (6.0, Cancelled(), []),
        (7.0, Received(RINGING), [Deliver(RINGING)]),
    )
    assert machine.cancelled
    assert run_out(machine) == [(37.0, [Terminated(), Fail("timeout")])]


@pytest.mark.parametrize("status", [200, 487])
def test_a_cancelled_invite_takes_whichever_final_response_comes(status: int) -> None:
    machine = invite()
    play(machine, (0.1, Received(RINGING), [Deliver(RINGING)]), (5.0, Cancelled(), []))
    final = response(status)
    assert machine.handle(Received(final), 6.0)[-1] == Deliver(final)
    assert run_out(machine) == [(38.0, [Terminated()])]


def test_cancelling_before_a_provisional_response_is_our_mistake() -> None:
    machine = invite()
    before = (machine.state, machine.deadline)
    with pytest.raises(LocalProtocolError):
        machine.handle(Cancelled(), 0.1)
    assert (machine.state, machine.deadline, machine.cancelled) == (*before, False)


def test_cancelling_after_the_final_response_changes_nothing() -> None:
    machine = invite()
    play(machine, (0.1, Received(OK), [Deliver(OK)]), (0.2, Cancelled(), []))
    assert not machine.cancelled
    assert machine.state == "accepted"


def test_a_refused_datagram_ends_an_invite() -> None:
    for first in ([], [Received(RINGING)]):
        machine = invite()
        for event in first:
            machine.handle(event, 0.1)
        play(
            machine,
            (0.2, TransportFailed(), [Terminated(), Fail("transport")]),
            (0.3, TransportFailed(), []),
            (0.3, Received(OK), []),
        )
        assert machine.deadline is None


def test_a_refused_ack_ends_the_transaction_without_troubling_the_user() -> None:
    machine = invite()
    machine.handle(Received(BUSY), 0.1)
    play(machine, (0.2, TransportFailed(), [Terminated()]))


def test_an_unanswered_request_is_repeated_every_t2_at_most_and_given_up() -> None:
    machine = options()
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
    assert [effects for _, effects in happened] == [[Send(OPTIONS)]] * 10 + [
        [Terminated(), Fail("timeout")]
    ]


def test_a_provisional_response_slows_the_repetition_down_to_t2() -> None:
    machine = options()
    play(machine, (0.2, Received(PROGRESS), [Deliver(PROGRESS)]))
    assert [at for at, _ in run_out(machine)] == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5, 32.0]


def test_a_final_response_is_delivered_once() -> None:
    machine = options()
    play(
        machine,
        (0.2, Received(DONE), [Deliver(DONE)]),
        (0.3, Received(DONE), []),
        (0.3, Received(PROGRESS), []),
        (0.3, TransportFailed(), []),
    )
    assert machine.state == "completed"
    assert run_out(machine) == [(5.2, [Terminated()])]
    play(machine, (6.0, Received(DONE), []))


def test_a_refused_datagram_ends_a_request() -> None:
    machine = options()
    play(machine, (0.2, TransportFailed(), [Terminated(), Fail("transport")]))
    assert machine.deadline is None


def test_a_late_timer_does_not_repeat_what_was_missed() -> None:
    machine = options()
    play(machine, (20.0, TimeUp(), [Send(OPTIONS)]))
    assert machine.deadline == 21.0


def test_a_timer_that_was_called_too_early_does_nothing() -> None:
    play(options(), (0.4, TimeUp(), []))


@pytest.mark.parametrize("event", [Start(), Respond(OK), Received(INVITE)])
def test_inputs_of_the_other_side_are_our_mistake(event: Start | Respond | Received) -> None:
    for machine in (invite(), options()):
        before = (machine.state, machine.deadline)
        with pytest.raises(LocalProtocolError):
            machine.handle(event, 0.1)
        assert (machine.state, machine.deadline) == before


def test_over_a_reliable_transport_nothing_is_repeated_or_waited_for() -> None:
    """RFC 3261 §17.1: no timers A and E, and zero for D and K."""
    unheard = InviteClientTransaction(INVITE, Timers(), reliable=True)
    play(unheard, (0.0, Start(), [Send(INVITE)]))
    assert run_out(unheard) == [(32.0, [Terminated(), Fail("timeout")])]

    refused = InviteClientTransaction(INVITE, Timers(), reliable=True)
    play(refused, (0.0, Start(), [Send(INVITE)]))
    ack, *rest = refused.handle(Received(BUSY), 1.0)
    assert isinstance(ack, Send)
    assert ack.message.headers.get("CSeq") == ["314159 ACK"]
    assert rest == [Terminated(), Deliver(BUSY)]

    answered = InviteClientTransaction(INVITE, Timers(), reliable=True)
    play(
        answered,
        (0.0, Start(), [Send(INVITE)]),
        (1.0, Received(OK), [Deliver(OK)]),
        (2.0, Received(LATER_OK), [Deliver(LATER_OK)]),  # forks answer over TCP too
    )
    assert run_out(answered) == [(33.0, [Terminated()])]

    asked = NonInviteClientTransaction(OPTIONS, Timers(), reliable=True)
    play(
        asked,
        (0.0, Start(), [Send(OPTIONS)]),
        (1.0, Received(PROGRESS), [Deliver(PROGRESS)]),
        (2.0, Received(DONE), [Terminated(), Deliver(DONE)]),
    )
    unheard_options = NonInviteClientTransaction(OPTIONS, Timers(), reliable=True)
    play(unheard_options, (0.0, Start(), [Send(OPTIONS)]))
    assert run_out(unheard_options) == [(32.0, [Terminated(), Fail("timeout")])]
