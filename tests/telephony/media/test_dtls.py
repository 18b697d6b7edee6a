"""DTLS-SRTP between two of our own: keys, certificates, losses, rubbish."""

import time
from collections.abc import Sequence
from itertools import chain

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.certificate import fingerprint, make_certificate
from telephony.media.dtls import LARGEST_DATAGRAM, PROFILES, DtlsAssociation, is_dtls

OURS, THEIRS, STRANGERS = (make_certificate() for _ in range(3))


def pair(
    *,
    of_client: dict[str, str] | None = None,
    of_server: dict[str, str] | None = None,
    profiles: Sequence[bytes] = PROFILES,
) -> tuple[DtlsAssociation, DtlsAssociation]:
    server = DtlsAssociation("server", OURS, of_client or {"sha-256": THEIRS.fingerprint})
    client = DtlsAssociation(
        "client", THEIRS, of_server or {"SHA-256": OURS.fingerprint}, profiles=profiles
    )
    return server, client


def shake(server: DtlsAssociation, client: DtlsAssociation, flight: list[bytes]) -> None:
    """Carry flights there and back, beginning with one of the client's."""
    receiver, sender = server, client
    for _ in range(12):
        flight = list(chain.from_iterable(map(receiver.receive, flight)))
        receiver, sender = sender, receiver


@pytest.mark.parametrize("profile, octets", list(zip(PROFILES, (28, 30), strict=True)))
def test_both_get_the_same_keys_the_other_way_round(profile: bytes, octets: int) -> None:
    server, client = pair(profiles=(profile,))
    assert server.start() == []
    shake(server, client, client.start())
    assert server.keys is not None
    assert client.keys is not None
    assert (server.keys.local, server.keys.remote) == (client.keys.remote, client.keys.local)
    assert len(server.keys.local) == octets
    assert server.keys.local != server.keys.remote
    assert server.wait is None
    assert client.wait is None


def test_the_cheapest_way_that_both_know_is_taken() -> None:
    server, client = pair()
    shake(server, client, client.start())
    assert server.keys is not None
    assert server.keys.suite == "AEAD_AES_128_GCM"


@pytest.mark.parametrize("hash_name", ["sha-256", "sha-384", "SHA-512"])
def test_the_peer_is_who_its_description_says(hash_name: str) -> None:
    shown = x509.load_pem_x509_certificate(THEIRS.certificate.encode())
    value = fingerprint(shown, hash_name.lower())
    server, client = pair(of_client={hash_name: value.lower(), "md2": "00"})
    shake(server, client, client.start())
    assert server.keys is not None


@pytest.mark.parametrize(
    "expected",
    [
        {"sha-256": STRANGERS.fingerprint},
        {"sha-1": "00:11"},
        {"sha-256": THEIRS.fingerprint, "sha-512": "00:11"},
    ],
)
def test_anybody_else_gets_no_keys(expected: dict[str, str]) -> None:
    server, client = pair(of_client=expected)
    shake(server, client, client.start())
    assert server.keys is None
    assert server.failed is not None
    assert server.receive(b"\x16" + bytes(30)) == []
    assert server.repeat() == []
    assert server.wait is None


def test_a_client_believes_no_stranger_either() -> None:
    server, client = pair(of_server={"sha-256": STRANGERS.fingerprint})
    shake(server, client, client.start())
    assert client.keys is None
    assert client.failed is not None


def test_a_flight_that_is_repeated_is_answered_again() -> None:
    # the last flight of the server is lost: the client's is answered with it again
    server, client = pair()
    flight = client.start()
    assert 0 < (client.wait or 0) <= 1
    flight = list(chain.from_iterable(map(server.receive, flight)))
    finished = list(chain.from_iterable(map(client.receive, flight)))
    lost = list(chain.from_iterable(map(server.receive, finished)))
    assert lost
    assert server.keys is not None
    assert client.keys is None
    assert client.repeat() == [], "it is too early"
    while not (repeated := client.repeat()):
        time.sleep(client.wait or 0)
    shake(server, client, repeated)
    assert client.keys is not None


def test_flights_fit_the_network_and_are_told_from_other_packets() -> None:
    server, client = pair()
    flight = client.start()
    assert all(map(is_dtls, flight))
    for receiver in (server, client, server):
        flight = list(chain.from_iterable(map(receiver.receive, flight)))
        assert all(is_dtls(datagram) and len(datagram) <= LARGEST_DATAGRAM for datagram in flight)
    assert not is_dtls(b"\x80" * 20)
    assert not is_dtls(b"\x16")
    assert not is_dtls(b"\x01" * 20)


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(20, 63))
def test_rubbish_ends_nothing_but_the_handshake(datagrams: list[bytes], first: int) -> None:
    server, client = pair()
    shake(server, client, client.start())
    keys = server.keys
    assert keys is not None
    fresh, _ = pair()
    for datagram in datagrams:
        for association in (fresh, server):
            association.receive(bytes([first]) + datagram)
            association.receive(b"\x16\xfe\xfd" + bytes(8) + len(datagram).to_bytes(2) + datagram)
    assert server.keys == keys
    assert server.failed is None
    assert fresh.keys is None
