"""Where a request goes next (RFC 3261 §8.1.2, §12.2.1.1; RFC 3263 §4.1 without a name server)."""

import pytest

from telephony.sip.hop import Destination, Hop, hop_of, located, next_hop

TCP_FLOW = Hop("10.0.0.1", 40001, "TCP", 7)
TLS_FLOW = Hop("10.0.0.1", 40001, "TLS", 8)
WS_FLOW = Hop("10.0.0.1", 40001, "WS", 9)
UDP_FLOW = Hop("10.0.0.1", 40001, "UDP", 1)


@pytest.mark.parametrize(
    "uri, hop",
    [
        ("sip:a@10.0.0.2", Hop("10.0.0.2", 5060)),
        ("sip:a@10.0.0.2:5070;transport=TCP", Hop("10.0.0.2", 5070, "TCP")),
        ("sip:a@10.0.0.2;transport=tls", Hop("10.0.0.2", 5061, "TLS")),
        ("sips:a@10.0.0.2", Hop("10.0.0.2", 5061, "TLS")),
        ("sips:a@10.0.0.2:5099;transport=tcp", Hop("10.0.0.2", 5099, "TLS")),
        ("sips:a@10.0.0.2;transport=ws", Hop("10.0.0.2", 5061, "WSS")),
        ("sip:a@[2001:db8::2];transport=tcp", Hop("2001:db8::2", 5060, "TCP")),
        ("sip:a@10.0.0.2;transport=sctp", Hop("10.0.0.2", 5060)),
        ("sip:a@df7jal23ls0d.invalid;transport=ws", None),
        ("tel:10086", None),
    ],
)
def test_where_a_uri_points(uri: str, hop: Hop | None) -> None:
    assert hop_of(uri) == hop


@pytest.mark.parametrize(
    "uri, flow, goes",
    [
        ("sip:a@10.0.0.2:5070", UDP_FLOW, Hop("10.0.0.2", 5070, "UDP", 1)),
        ("sip:a@10.0.0.2:5070", ("10.0.0.1", 5060), ("10.0.0.2", 5070)),
        ("sip:a@pc.example", UDP_FLOW, UDP_FLOW),
        ("sip:a@10.0.0.2;transport=tcp", UDP_FLOW, Hop("10.0.0.2", 5060, "TCP")),
        ("sip:a@10.0.0.2", TCP_FLOW, Hop("10.0.0.2", 5060, "TCP", 7)),
        ("sip:a@10.0.0.2;transport=tcp", TCP_FLOW, Hop("10.0.0.2", 5060, "TCP", 7)),
        ("sip:a@10.0.0.2;transport=udp", TCP_FLOW, ("10.0.0.2", 5060)),
        ("sip:a@10.0.0.2", TLS_FLOW, Hop("10.0.0.2", 5061, "TLS", 8)),
        ("sip:a@x.invalid;transport=ws", WS_FLOW, WS_FLOW),
    ],
)
def test_a_request_in_a_dialog_keeps_to_the_flow_where_the_uri_allows(
    uri: str, flow: Destination, goes: Destination
) -> None:
    assert next_hop(uri, flow) == goes


def test_a_registered_phone_is_reached_over_its_flow_whatever_it_says() -> None:
    pinned = UDP_FLOW._replace(pinned=True)
    assert next_hop("sip:a@192.168.1.7:5060", pinned, pinned=True) == pinned
    # where the connection is gone, the phone may still take a new one
    pinned = TCP_FLOW._replace(pinned=True)
    there = Hop("192.168.1.7", 5060, "TCP", 7)
    assert next_hop("sip:a@192.168.1.7:5060;transport=udp", pinned, pinned=True) == there
    assert next_hop("sip:a@192.168.1.7:5060", pinned, pinned=True) == there


def test_a_redirection_leaves_the_flow_behind() -> None:
    assert located("sip:b@10.0.0.9", TCP_FLOW) == Hop("10.0.0.9", 5060, "TCP")
    assert located("sip:b@10.0.0.9", UDP_FLOW) == ("10.0.0.9", 5060)
    assert located("sip:b@pc.example", TCP_FLOW) == TCP_FLOW


def test_a_hop_reads_well_in_a_log() -> None:
    assert str(Hop("::1", 5061, "TLS", 3)) == "TLS [::1]:5061"
