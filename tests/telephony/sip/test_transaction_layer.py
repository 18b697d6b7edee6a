"""Which message finds which transaction."""

import pytest
from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import client_transaction
from telephony.sip.message import build_ack, build_cancel, make_response, parse_message
from telephony.sip.server_transaction import ServerTransaction, server_transaction
from telephony.sip.transaction import Received, Respond, Timers
from telephony.sip.transaction_layer import TransactionLayer
from tests.telephony.sip.samples import request

OURS = "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKours;rport"
OLD = "SIP/2.0/UDP old.example:5070;branch=1"


def serving(message: SipRequest) -> tuple[TransactionLayer, ServerTransaction]:
    layer = TransactionLayer()
    transaction = server_transaction(message, Timers())
    transaction.handle(Received(message), 0.0)
    layer.add_server(transaction)
    return layer, transaction


def answer(via: str = OURS, method: str = "INVITE", status: int = 200) -> SipResponse:
    return make_response(request(method, via=via), status)


def test_a_response_finds_its_request_by_branch_and_method() -> None:
    layer = TransactionLayer()
    transaction = client_transaction(request(via=OURS), Timers())
    layer.add_client(transaction)
    assert layer.client_for(answer(f"{OURS}=4711;received=192.0.2.1")) is transaction
    assert layer.client_for(answer(method="CANCEL")) is None
    assert layer.client_for(answer(OURS.replace("ours", "else"))) is None


def test_a_response_with_a_strange_sent_by_or_a_second_via_is_not_ours() -> None:
    layer = TransactionLayer()
    layer.add_client(client_transaction(request(via=OURS), Timers()))
    assert layer.client_for(answer(OURS.replace("127.0.0.1", "192.0.2.7"))) is None
    assert layer.client_for(answer(OURS.replace("5070", "5071"))) is None
    assert layer.client_for(answer(f"{OURS}, SIP/2.0/UDP phone.example")) is None


def test_an_invite_and_its_cancel_are_two_client_transactions() -> None:
    layer = TransactionLayer()
    invite = client_transaction(request(via=OURS), Timers())
    cancel = client_transaction(build_cancel(invite.request), Timers())
    layer.add_client(invite)
    layer.add_client(cancel)
    assert len(layer) == 2
    assert layer.client_for(answer(method="CANCEL")) is cancel
    assert layer.client_for(answer(status=487)) is invite
    layer.remove(invite)
    assert layer.client_for(answer(status=487)) is None
    assert layer.client_for(answer(method="CANCEL")) is cancel


def test_a_retransmission_and_the_ack_of_a_refusal_find_the_invite() -> None:
    invite = request()
    layer, transaction = serving(invite)
    assert layer.server_for(request()) is transaction
    assert layer.server_for(build_ack(invite, make_response(invite, 486))) is transaction
    layer.remove(transaction)
    assert layer.server_for(request()) is None
    with pytest.raises(KeyError):
        layer.remove(transaction)


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKother",
        "SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bKnashds8",
        "SIP/2.0/UDP another.example:5070;branch=z9hG4bKnashds8",
    ],
)
def test_another_branch_or_sent_by_is_another_transaction(via: str) -> None:
    layer, _ = serving(request())
    assert layer.server_for(request(via=via)) is None


def test_the_transaction_is_forgotten_even_if_somebody_changed_its_request() -> None:
    layer, transaction = serving(request())
    transaction.request.headers.set_single("Via", "SIP/2.0/UDP elsewhere")
    layer.remove(transaction)
    assert len(layer) == 0
    assert layer.server_for(request()) is None


def test_a_cancel_finds_the_invite_but_is_no_retransmission_of_it() -> None:
    layer, transaction = serving(request())
    cancel = request("CANCEL")
    assert layer.server_for(cancel) is None
    assert layer.cancelled_by(cancel) is transaction


def test_a_cancel_of_anything_else_finds_nothing() -> None:
    layer, _ = serving(request("OPTIONS"))
    assert layer.cancelled_by(request("CANCEL")) is None


def rfc2543_ack(invite: SipRequest, tag: str) -> SipRequest:
    return build_ack(invite, make_response(invite, 486, to_tag=tag))


@pytest.mark.parametrize(
    "name, value",
    [
        ("From", "<sip:caller@city.example>;tag=other"),
        ("Call-ID", "other"),
        ("CSeq", "314160 INVITE"),
        ("Via", "SIP/2.0/UDP old.example:5070;branch=2"),
    ],
)
def test_without_the_magic_cookie_the_whole_request_decides(name: str, value: str) -> None:
    layer, transaction = serving(request(via=OLD))
    again = request(via=OLD)
    assert layer.server_for(again) is transaction
    assert layer.cancelled_by(build_cancel(again)) is transaction
    again.headers.set_single(name, value)
    assert layer.server_for(again) is None
    assert layer.cancelled_by(build_cancel(again)) is None


def test_rfc_2543_requests_in_different_dialogs_differ_by_the_to_tag() -> None:
    layer, transaction = serving(request("BYE", via=OLD, to="<sip:a@b.example>;tag=1"))
    same = request("BYE", via=OLD, to="<sip:a@b.example>;tag=1")
    other = request("BYE", via=OLD, to="<sip:a@b.example>;tag=2")
    assert layer.server_for(same) is transaction
    assert layer.server_for(other) is None


@pytest.mark.parametrize("via", [OLD, "SIP/2.0/UDP old.example"])
def test_an_rfc_2543_ack_carries_the_tag_of_the_response(via: str) -> None:
    invite = request(via=via)
    layer, transaction = serving(invite)
    assert layer.server_for(rfc2543_ack(invite, "ours")) is None
    transaction.handle(Respond(make_response(invite, 486, to_tag="ours")), 0.1)
    assert layer.server_for(rfc2543_ack(invite, "ours")) is transaction
    assert layer.server_for(rfc2543_ack(invite, "another")) is None


def test_keys_survive_the_wire() -> None:
    layer, transaction = serving(request())
    again = parse_message(bytes(request()))
    assert isinstance(again, SipRequest)
    assert layer.server_for(again) is transaction
