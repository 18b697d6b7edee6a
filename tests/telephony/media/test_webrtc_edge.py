"""The edge of a browser's leg without a network: what it believes, and that nothing breaks it."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.media import stun
from telephony.media.certificate import make_certificate
from telephony.media.dtls import DtlsAssociation
from telephony.media.path import Source
from telephony.media.webrtc import Terms, WebRtcEdge

OURS, THEIRS = make_certificate(), make_certificate()
UFRAG, PASSWORD = "ours", "a password of twenty-two"
PEER: Source = ("192.0.2.7", 4000)
STRANGER: Source = ("198.51.100.9", 5000)


class Sent:
    """Where an edge sends, and where it says the peer is."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Source]] = []
        self.selected: list[Source] = []

    def send(self, datagram: bytes, to: Source) -> None:
        self.datagrams.append((datagram, to))


def edge(sent: Sent, *, role: str = "server", ice: bool = True) -> WebRtcEdge:
    made = WebRtcEdge(
        send=sent.send,
        on_selected=sent.selected.append,
        on_rtcp=lambda *_: None,
    )
    made.describe(terms(role=role, ice=ice))
    return made


def terms(*, role: str = "server", ice: bool = True, fingerprint: str | None = None) -> Terms:
    return Terms(
        "client" if role == "client" else "server",
        {"sha-256": fingerprint or THEIRS.fingerprint},
        OURS,
        (UFRAG, PASSWORD) if ice else None,
        PEER,
    )


def check() -> bytes:
    attributes = [(stun.USERNAME, f"{UFRAG}:theirs".encode()), (stun.USE_CANDIDATE, b"")]
    return stun.build(stun.BINDING_REQUEST, bytes(12), attributes, key=PASSWORD.encode())


async def test_a_client_begins_where_ice_has_found_the_server() -> None:
    sent = Sent()
    ours = edge(sent, role="client")
    assert sent.datagrams == []
    ours.incoming(check(), PEER, 0.0)
    assert sent.selected == [PEER]
    assert [to for _, to in sent.datagrams] == [PEER, PEER]
    assert sent.datagrams[-1][0][0] == 22, "the answer, then a hello"
    ours.incoming(check(), PEER, 0.0)
    assert len(sent.datagrams) == 3
    ours.close()


async def test_a_client_without_ice_begins_where_the_description_says() -> None:
    sent = Sent()
    ours = edge(sent, role="client", ice=False)
    assert [to for _, to in sent.datagrams] == [PEER]
    ours.close()


def hello(fingerprint: str) -> bytes:
    """What a peer that is the client begins with."""
    return DtlsAssociation("client", THEIRS, {"sha-256": fingerprint}).start()[0]


async def test_without_ice_a_stranger_cannot_draw_the_handshake_to_himself() -> None:
    sent = Sent()
    ours = edge(sent, ice=False)
    said = hello(OURS.fingerprint)
    ours.incoming(said, STRANGER, 0.0)
    assert sent.datagrams == []
    ours.incoming(said, PEER, 0.0)
    assert {to for _, to in sent.datagrams} == {PEER}
    ours.incoming(said, STRANGER, 9.0)
    assert {to for _, to in sent.datagrams} == {PEER}
    ours.close()


async def test_without_ice_what_a_stranger_spoilt_begins_anew_with_the_peer() -> None:
    sent = Sent()
    ours = edge(sent, ice=False)
    said = hello(OURS.fingerprint)
    ours.incoming(said, STRANGER, 0.0)
    ours.incoming(said, STRANGER, 2.0)
    assert {to for _, to in sent.datagrams} == {STRANGER}
    sent.datagrams.clear()
    theirs = DtlsAssociation("client", THEIRS, {"sha-256": OURS.fingerprint})
    waiting = theirs.start()
    for _ in range(4):  # flights of a handshake
        for datagram in waiting:
            ours.incoming(datagram, PEER, 3.0)
        flight, sent.datagrams = sent.datagrams, []
        assert {to for _, to in flight} <= {PEER}
        waiting = [answer for datagram, _ in flight for answer in theirs.receive(datagram)]
    assert ours.secured
    assert theirs.keys is not None
    ours.close()


async def test_only_another_certificate_or_role_is_another_handshake() -> None:
    sent = Sent()
    ours = edge(sent, role="client")
    ours.incoming(check(), PEER, 0.0)
    begun = len(sent.datagrams)
    ours.describe(terms(role="client"))
    assert len(sent.datagrams) == begun
    ours.describe(terms(role="client", fingerprint=OURS.fingerprint))
    assert len(sent.datagrams) == begun + 1
    ours.close()


async def test_a_stranger_is_not_even_answered() -> None:
    sent = Sent()
    ours = edge(sent)
    for first in (20, 22, 63, 128, 191):
        assert ours.incoming(bytes([first]) + bytes(60), STRANGER, 0.0) == ()
    assert sent.datagrams == []
    assert ours.outgoing(bytes(12), 0.0) is None
    assert ours.protect_rtcp(bytes(8)) is None
    ours.close()


@given(st.lists(st.tuples(st.binary(max_size=200), st.sampled_from([PEER, STRANGER]))))
async def test_anything_may_come_from_anybody(came: list[tuple[bytes, Source]]) -> None:
    sent = Sent()
    ours = edge(sent)
    ours.incoming(check(), PEER, 0.0)
    for datagram, source in came:
        assert ours.incoming(datagram, source, 0.0) == ()
        assert ours.incoming(check()[:20] + datagram, source, 0.0) == ()
    assert sent.selected == [PEER]
    assert not ours.secured
    ours.close()
