"""RFC 4475: every torture message, through the reader and through a whole gateway on a socket.

The messages say in their Via where the answer goes: to port 5060 (once 5050) of whoever sent them.
So the peer has that port on a loopback address of its own.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from aiosipua import SipMessage, SipRequest, SipResponse

from telephony.gateway import SipGateway
from telephony.leg import Leg
from telephony.sip.bodies import READ
from telephony.sip.client_transaction import client_transaction
from telephony.sip.errors import MalformedMessage
from telephony.sip.identity import calling_identity
from telephony.sip.initial_invite import initial_invite
from telephony.sip.message import cseq_of, make_response, parse_message, tag_of
from telephony.sip.name_addr import parse_name_addr, without_headers
from telephony.sip.registrar import Binding, Limits, aor_of, register
from telephony.sip.screening import objection
from telephony.sip.transaction import Timers
from telephony.sip.transaction_layer import TransactionLayer
from tests.telephony.gateways import OFFER, a_gateway, message
from tests.telephony.peers import Peer

FOLDER = Path(__file__).parent / "torture"
SOURCE = ("192.0.2.1", 5060)
BUSY = 486  # what the owner answers to each call he is given

Reading = Literal["read", "refused", "unanswerable"]
"""By `parse_message`: accepted; MalformedMessage with an answer; MalformedMessage to be dropped."""


@dataclass(frozen=True)
class Case:
    """One message.

    Attributes:
        section: of the RFC.
        name: of the file.
        reading: what the reader makes of it.
        outcome: the final status on the wire; "call": it becomes a leg; "dropped": no answer.
        why: what the RFC says, and where it leaves a choice, why this one.
    """

    section: str
    name: str
    reading: Reading
    outcome: int | Literal["call", "dropped"]
    why: str


TABLE = [
    Case("3.1.1.1", "wsinv", "read", 481, "well-formed; its To tag names a dialog we don't have"),
    Case("3.1.1.2", "intmeth", "read", 501, "well-formed; a method nobody recognizes"),
    Case("3.1.1.3", "esc01", "read", "call", "sips%3A... is a user part, not a scheme"),
    Case("3.1.1.4", "escnull", "read", 401, "well-formed; every REGISTER must prove who sent it"),
    Case("3.1.1.5", "esc02", "read", 501, "RE%47IST%45R is not REGISTER: methods aren't unescaped"),
    Case("3.1.1.6", "lwsdisp", "read", 200, "no space is needed before <"),
    Case("3.1.1.7", "longreq", "read", "call", "no length is too long for its own sake"),
    Case("3.1.1.8", "dblreq", "read", 401, "what follows in the datagram is ignored: one answer"),
    Case("3.1.1.9", "semiuri", "read", 200, "a ; before the @ belongs to the user part"),
    Case("3.1.1.10", "transports", "read", 200, "unknown transports in Vias further down"),
    Case("3.1.1.11", "mpart01", "read", 405, "well-formed; we recognize MESSAGE and take none"),
    Case("3.1.1.12", "unreason", "read", "dropped", "well-formed; answers nothing that we asked"),
    Case("3.1.1.13", "noreason", "read", "dropped", "well-formed; answers nothing that we asked"),
    Case("3.1.2.1", "badinv01", "read", 400, "separators with nothing between them in the Contact"),
    Case("3.1.2.2", "clerr", "refused", 400, "a datagram shorter than its Content-Length"),
    Case("3.1.2.3", "ncl", "refused", 400, "a negative Content-Length"),
    Case("3.1.2.4", "scalar02", "refused", 400, "a CSeq beyond 2**31"),
    Case("3.1.2.5", "scalarlg", "unanswerable", "dropped", "a response with such a CSeq"),
    Case("3.1.2.6", "quotbal", "refused", 400, "guessing the missing quote is allowed, not wise"),
    Case("3.1.2.7", "ltgtruri", "refused", 400, "passing over the <> is allowed; 400 is simpler"),
    Case("3.1.2.8", "lwsruri", "refused", 400, "white space in the Request-URI"),
    Case("3.1.2.9", "lwsstart", "refused", 400, "more than one space in the Request-Line"),
    Case("3.1.2.10", "trws", "read", 200, "liberal is allowed, and nothing can be mistaken"),
    Case("3.1.2.11", "escruri", "read", "call", "liberal is allowed: a URI's headers are ignored"),
    Case("3.1.2.12", "baddate", "read", "call", "liberal is allowed: we have no use for Date"),
    Case("3.1.2.13", "regbadct", "read", 400, "a ? outside brackets; before any challenge"),
    Case("3.1.2.14", "badaspec", "read", 400, "spaces within <>"),
    Case("3.1.2.15", "baddn", "read", 200, "liberal is allowed: display names decide nothing here"),
    Case("3.1.2.16", "badvers", "refused", 505, "SIP/7.0"),
    Case("3.1.2.17", "mismatch01", "refused", 400, "another method in the CSeq"),
    Case("3.1.2.18", "mismatch02", "refused", 400, "501 is allowed too; we are no proxy"),
    Case("3.1.2.19", "bigcode", "unanswerable", "dropped", "a status beyond 699"),
    Case("3.2.1", "badbranch", "read", 200, "the cookie alone identifies nothing: as without it"),
    Case("3.3.1", "insuf", "refused", 400, "no From, To, Call-ID"),
    Case("3.3.2", "unkscm", "read", 416, "a scheme nobody knows"),
    Case("3.3.3", "novelsc", "read", 416, "a known scheme that we cannot call"),
    Case("3.3.4", "unksm2", "read", 400, "an address-of-record is a SIP URI"),
    Case("3.3.5", "bext01", "read", 420, "Require; Proxy-Require is a proxy's business"),
    Case("3.3.6", "invut", "read", 415, "a body we cannot read"),
    Case("3.3.7", "regaut01", "read", 401, "another scheme's credentials are none"),
    Case("3.3.8", "multi01", "refused", 400, "two of what there may be one of"),
    Case("3.3.9", "mcl01", "refused", 400, "two Content-Lengths that differ"),
    Case("3.3.10", "bcast", "read", "dropped", "a response with a second Via is not for us"),
    Case("3.3.11", "zeromf", "read", 200, "it has arrived; only a proxy would answer 483"),
    Case("3.3.12", "cparam01", "read", 401, "well-formed; the binding is looked at below"),
    Case("3.3.13", "cparam02", "read", 401, "well-formed; the binding is looked at below"),
    Case("3.3.14", "regescrt", "read", 401, "well-formed; the binding is looked at below"),
    Case("3.3.15", "sdp01", "read", 406, "no answer could be written in text/nobodyKnowsThis"),
    Case("3.4.1", "inv2543", "read", "call", "RFC 2543: no branch, tag, Max-Forwards or Contact"),
]
cases = pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case.section}-{case.name}")


def torture(name: str) -> bytes:
    return (FOLDER / f"{name}.dat").read_bytes()


def a_request(name: str) -> SipRequest:
    read = parse_message(torture(name))
    assert isinstance(read, SipRequest)
    return read


def a_response(name: str) -> SipResponse:
    read = parse_message(torture(name))
    assert isinstance(read, SipResponse)
    return read


def test_the_table_has_every_message() -> None:
    assert sorted(case.name for case in TABLE) == sorted(path.stem for path in FOLDER.glob("*.dat"))
    assert len({case.section for case in TABLE}) == 13 + 19 + 1 + 15 + 1


# The reader


@cases
def test_reading(case: Case) -> None:
    if case.reading == "read":
        parse_message(torture(case.name))
        return
    with pytest.raises(MalformedMessage) as raised:
        parse_message(torture(case.name))
    assert (raised.value.request is not None) == (case.reading == "refused")
    if case.reading == "refused":
        assert raised.value.status == case.outcome


def test_white_space_everywhere() -> None:
    invite = a_request("wsinv")
    assert cseq_of(invite) == (9, "INVITE")
    assert tag_of(invite.headers.get("To")[0]) == "1918181833n"
    caller = parse_name_addr(invite.headers.get("From")[0])
    assert (caller.display, caller.tag) == ('J Rosenberg \\"', "98asjd8")
    assert len(invite.headers.get("Via")) == 3
    contact = parse_name_addr(invite.headers.get("Contact")[0])
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert invite.headers.get("UnknownHeaderWithUnusualValue")
    assert len(invite.body) == 150


def test_strange_characters() -> None:
    request = a_request("intmeth")
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert request.uri.endswith("weird!*pas$wo~d_too.(doesn't-it)@example.com")
    assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert "NUL:\\\0 DEL:\\\x7f" in request.headers.get("To")[0]
    sender = parse_name_addr(request.headers.get("From")[0])
    assert (sender.uri, sender.tag) == ("sip:mundane@example.com", "_token~1'+`*%!-.")
    assert sender.params["fromparam''~+*_!.-%"] == "работающий"
    assert request.get_header("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes() -> None:
    invite = a_request("esc01")
    assert calling_identity(invite, trusted=True).number == "I have spaces"
    request = a_request("esc02")
    assert request.method == "RE%47IST%45R"
    assert len(request.headers.get("Contact")) == 2


def test_long_values() -> None:
    invite = a_request("longreq")
    assert len(invite.headers.get("Via")) == 34
    assert invite.call_id == f"longreq.one{'really' * 20}longcallid"
    tag = tag_of(invite.headers.get("From")[0])
    assert tag == f"12{'982' * 50}424"


def test_a_binary_body_with_nulls() -> None:
    body = a_request("mpart01").body
    assert len(body) == 553
    assert body.endswith(b"\r\n--7a9cbec02ceef655--\r\n")


def test_reason_phrases() -> None:
    assert a_response("noreason").reason_phrase == ""
    phrase = "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert a_response("unreason").reason_phrase == phrase


def test_a_response_with_a_second_via_answers_nothing() -> None:
    response = a_response("bcast")
    invite = SipRequest(method="INVITE", uri="sip:user@example.edu")
    invite.headers.append("Via", response.headers.get("Via")[0])
    invite.headers.append("CSeq", "35 INVITE")
    layer = TransactionLayer()
    transaction = client_transaction(invite, Timers())
    layer.add_client(transaction)
    assert layer.client_for(response) is None
    response.headers.set_single("Via", response.headers.get("Via")[0])
    assert layer.client_for(response) is transaction


def test_a_refusal_repeats_nothing_twice() -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_message(torture("multi01"))
    assert raised.value.request is not None
    refusal = make_response(raised.value.request, 400)
    for name in ("From", "To", "Call-ID", "CSeq"):
        assert len(refusal.headers.get(name)) == 1


def test_refusals_say_what_is_possible() -> None:
    refusal = objection(a_request("bext01"))
    assert refusal is not None
    assert refusal.headers == (
        ("Unsupported", "nothingSupportsThis"),
        ("Unsupported", "nothingSupportsThisEither"),
    )
    for name in ("invut", "sdp01"):
        refusal = objection(a_request(name))
        assert refusal is not None
        assert READ in refusal.headers


# The registrar, once its challenge is answered


def bindings_of(name: str) -> list[Binding]:
    request = a_request(name)
    aor = aor_of(request)
    assert aor is not None
    decision = register(request, aor=aor, bindings=(), received=SOURCE, now=0.0, limits=Limits())
    assert decision.status == 200
    return list(decision.save)


def test_null_is_a_character_like_any_other() -> None:
    assert aor_of(a_request("escnull")) == "null-\0-null"
    uris = [binding.contact_uri for binding in bindings_of("escnull")]
    assert uris == ["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]


@pytest.mark.parametrize(
    "name, uri",
    [
        ("cparam01", "sip:+19725552222@gw1.example.net"),
        ("cparam02", "sip:+19725552222@gw1.example.net;unknownparam"),
    ],
)
def test_parameters_of_the_contact_and_of_its_uri(name: str, uri: str) -> None:
    assert [binding.contact_uri for binding in bindings_of(name)] == [uri]


@pytest.mark.parametrize(
    "uri, bare",
    [
        ("sip:a@b;x=y?Route=z", "sip:a@b;x=y"),
        ("sip:b?Route=z", "sip:b"),
        ("sip:a?b@c", "sip:a?b@c"),
        ("sip:a?b@c?d=e", "sip:a?b@c"),
        ("tel:110", "tel:110"),
    ],
)
def test_headers_of_uris(uri: str, bare: str) -> None:
    assert without_headers(uri) == bare


def test_a_contacts_route_is_not_followed() -> None:
    (binding,) = bindings_of("regescrt")
    assert binding.contact_uri == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    invite = initial_invite(
        uri=binding.contact_uri,
        destination=SOURCE,
        to="sip:user@example.com",
        caller=None,
        display=None,
        us=SOURCE,
        tag="t",
        call_id="c",
        sdp=OFFER,
    )
    assert (invite.uri, invite.route) == ("sip:user@example.com", ())


# The wire


@contextmanager
def a_peer_where_the_vias_point(name: str) -> Iterator[Peer]:
    """Open a socket on the port that the message's Via names, on an address nobody else has."""
    host = f"127.75.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}"
    port = 5050 if name == "quotbal" else 5060
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.settimeout(0)
        try:
            bound.bind((host, port))
        except OSError as error:
            pytest.skip(f"a program on this machine has port {port} of every address: {error}")
        yield Peer(bound)


async def final_responses(peer: Peer, gateway: SipGateway, marker: str) -> list[SipResponse]:
    """Send an OPTIONS and return the final responses that come before its own."""
    options = message(peer, gateway, "OPTIONS", call_id=marker)
    options.headers.set_single(
        "Via", f"SIP/2.0/UDP {peer.address[0]}:{peer.address[1]};branch=z9hG4bK{marker}"
    )
    peer.send(options, gateway.endpoint.local)
    before: list[SipResponse] = []
    while (response := await final_response(peer)).headers.get_first("Call-ID") != marker:
        before.append(response)
    return before


async def final_response(peer: Peer) -> SipResponse:
    """Return the next one, read leniently: a 400 repeats what was malformed in its request."""
    while True:
        response = SipMessage.parse(await peer.datagram())
        assert isinstance(response, SipResponse)
        if response.status_code >= 200:
            return response


@cases
async def test_on_the_wire(case: Case) -> None:
    calls: list[Leg] = []

    def refuse(leg: Leg) -> None:
        calls.append(leg)
        leg.on_event = lambda _event: None
        leg.refuse(BUSY)

    data = torture(case.name)
    async with a_gateway(refuse) as gateway:
        with a_peer_where_the_vias_point(case.name) as peer:
            peer.send(data, gateway.endpoint.local)
            if case.outcome == "dropped":
                assert await final_responses(peer, gateway, "marker") == []
            else:
                response = await final_response(peer)
                status = BUSY if case.outcome == "call" else case.outcome
                assert response.status_code == status, case.why
                again = await final_responses(peer, gateway, "marker")  # retransmissions at most
                assert {bytes(copy) for copy in again} <= {bytes(response)}
        assert len(calls) == (case.outcome == "call")
        assert gateway.endpoint.counters["user_errors"] == 0


async def test_calls_say_who_calls_whom() -> None:
    calls: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()

    def note(leg: Leg) -> None:
        calls.put_nowait((leg.called, leg.caller))
        leg.on_event = lambda _event: None
        leg.refuse(BUSY)

    expected = {
        "esc01": ("sips:user@example.com", "I have spaces"),
        "escruri": ("user", "caller"),
        "inv2543": ("UserB", "+13035551111"),
    }
    async with a_gateway(note) as gateway:
        for name, parties in expected.items():
            with a_peer_where_the_vias_point(name) as peer:
                peer.send(torture(name), gateway.endpoint.local)
                assert await asyncio.wait_for(calls.get(), 5) == parties


async def test_two_requests_with_the_bare_cookie_are_two_transactions() -> None:
    async with a_gateway(lambda _leg: None) as gateway:
        with a_peer_where_the_vias_point("badbranch") as peer:
            first = torture("badbranch")
            second = first.replace(b"sadonfo23i420jv0as0derf3j3n", b"another")
            for data in (first, second, first):
                peer.send(data, gateway.endpoint.local)
                response = await final_response(peer)
                assert response.headers.get("Call-ID") == parse_message(data).headers.get("Call-ID")
            assert gateway.endpoint.transactions == 2
