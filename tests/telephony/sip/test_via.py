"""Where requests came from and where responses go."""

import pytest
from aiosipua import stringify_via

from telephony.sip.via import (
    Address,
    parse_via,
    push_via,
    response_destination,
    sent_by,
    stamp_source,
    top_via,
)
from tests.telephony.sip.samples import request

SOURCE = ("192.0.2.9", 4711)


@pytest.mark.parametrize(
    "text, plain",
    [
        ("SIP/2.0/UDP 192.0.2.1", None),
        ("SIP/2.0/UDP a_container:5060;branch=z9hG4bK-1", None),
        ("sip/2.0/udp Host.example:5070 ;rport", "SIP/2.0/UDP Host.example:5070;rport"),
        (
            "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=a.1",
            "SIP/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=a.1",
        ),
        ("SIP/2.0/UDP [2001:db8::9:1]:5060;received=2001:db8::9:255", None),
        ('SIP/2.0/TLS a.example;x="quoted, text";branch=z', None),
    ],
)
def test_a_via_is_read(text: str, plain: str | None) -> None:
    via = parse_via(text)
    assert via is not None
    assert stringify_via(via) == (plain or text)


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0 a", "SIP/2.0/UDP", "SIP/2.0/UDP a b", "SIP/2.0/UDP a;b c", "SIP/2.0/UDP a:x"],
)
def test_a_broken_via_is_not(text: str) -> None:
    assert parse_via(text) is None


@pytest.mark.parametrize(
    "via, stamped, destination",
    [
        # RFC 3581 §4: rport is filled in, and received added even when it says nothing new.
        (
            "192.0.2.9:4711;rport;branch=z9hG4bK1",
            "192.0.2.9:4711;rport=4711;branch=z9hG4bK1;received=192.0.2.9",
            SOURCE,
        ),
        ("pc.example:5070;rport", "pc.example:5070;rport=4711;received=192.0.2.9", SOURCE),
        # RFC 3261 §18.2.1, §18.2.2: without rport the answer goes to the port of sent-by.
        ("192.0.2.9:5070", "192.0.2.9:5070", ("192.0.2.9", 5070)),
        ("10.0.0.1", "10.0.0.1;received=192.0.2.9", ("192.0.2.9", 5060)),
        ("pc.example:5070", "pc.example:5070;received=192.0.2.9", ("192.0.2.9", 5070)),
        # Nobody aims our answer at somebody else.
        ("192.0.2.9;received=198.51.100.1", "192.0.2.9", ("192.0.2.9", 5060)),
        ("192.0.2.9;maddr=198.51.100.1", "192.0.2.9;maddr=198.51.100.1", ("192.0.2.9", 5060)),
        ("pc.example;rport=9;received=1.1.1.1", "pc.example;rport=4711;received=192.0.2.9", SOURCE),
    ],
)
def test_the_source_is_stamped_and_answered(via: str, stamped: str, destination: Address) -> None:
    message = request(via=f"SIP/2.0/UDP {via}")
    stamp_source(message, SOURCE)
    assert message.headers.get("Via") == [f"SIP/2.0/UDP {stamped}"]
    assert response_destination(top_via(message)) == destination


def test_ipv6_is_stamped_without_brackets_and_compared_with_them() -> None:
    message = request(via="SIP/2.0/UDP [::1]:5070")
    stamp_source(message, ("::1", 4711))
    assert message.headers.get("Via") == ["SIP/2.0/UDP [::1]:5070"]
    assert response_destination(top_via(message)) == ("::1", 5070)
    stamp_source(message, ("::2", 4711))
    assert response_destination(top_via(message)) == ("::2", 5070)


def test_only_the_top_via_is_stamped() -> None:
    message = request(via="SIP/2.0/UDP proxy.example;rport, SIP/2.0/UDP phone.example;rport")
    stamp_source(message, SOURCE)
    assert message.headers.get("Via")[1] == "SIP/2.0/UDP phone.example;rport"


def test_our_via_goes_on_top() -> None:
    message = request()
    push_via(message, ("::1", 5060), "z9hG4bKours")
    assert message.headers.get("Via") == [
        "SIP/2.0/UDP [::1]:5060;branch=z9hG4bKours;rport",
        "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKnashds8",
    ]


def test_sent_by_is_comparable() -> None:
    vias = [parse_via(f"SIP/2.0/UDP {by}") for by in ("A.example", "a.EXAMPLE:5060")]
    assert {sent_by(via) for via in vias if via} == {("a.example", 5060)}


def test_a_message_without_via_is_our_mistake() -> None:
    message = request()
    message.headers.remove("Via")
    with pytest.raises(ValueError, match="Via"):
        top_via(message)
