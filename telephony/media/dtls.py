"""DTLS-SRTP (RFC 5764): the handshake that gives both sides their keys. OpenSSL, without sockets.

The certificates are self-signed; who the peer is follows from the fingerprint that came with its
session description (RFC 5763 §5), and without one that fits there are no keys. Nothing but the
handshake ever goes over the association.

OpenSSL keeps the time of its retransmissions itself, so ``wait`` says how long from now; everything
else is a plain machine: datagrams in, datagrams out.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from telephony.media.certificate import Certificate, fingerprint
from telephony.media.srtp import KEY_OCTETS, Keys

Role = Literal["server", "client"]

LARGEST_DATAGRAM: Final = 1200
"""Octets that pass every network unfragmented."""

_DTLS_1_2 = 0xFEFD
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)
#: As OpenSSL and RFC 4568 call them, our favourite first: RFC 7714's costs less; the other one all
#: of WebRTC has (RFC 8827 §6.5).
_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    b"SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
}
PROFILES: Final = tuple(_PROFILES)
_EXPORTER = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2
_HEAD = 13  # octets of a record before its contents (RFC 6347 §4.1)
_ROOM = 65536


def is_dtls(datagram: bytes) -> bool:
    """Tell DTLS from what else comes to the port (RFC 7983 §7)."""
    return len(datagram) >= _HEAD and 20 <= datagram[0] <= 63  # noqa: PLR2004 - of the RFC


class DtlsAssociation:
    """One handshake.

    Args:
        role: ``client`` begins (``a=setup:active``), ``server`` waits.
        certificate: ours.
        fingerprints: of the peer's certificate, by hash; names in capitals or not.
        profiles: how SRTP may be secured, the favourite first.

    Attributes:
        keys: how SRTP is secured; None until the handshake is through.
        failed: why there will never be keys, None while there may be.
    """

    def __init__(
        self,
        role: Role,
        certificate: Certificate,
        fingerprints: Mapping[str, str],
        *,
        profiles: Sequence[bytes] = PROFILES,
    ) -> None:
        self.keys: Keys | None = None
        self.failed: str | None = None
        self._role = role
        self._fingerprints = {name.lower(): value for name, value in fingerprints.items()}
        self._connection = SSL.Connection(_context(certificate, tuple(profiles)), None)
        self._connection.set_ciphertext_mtu(LARGEST_DATAGRAM)
        if role == "client":
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def start(self) -> list[bytes]:
        """Return what the client begins with; nothing as the server."""
        self._go_on()
        return list(self._written())

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram of the peer; return what is to be sent.

        After the handshake the peer may still repeat its last flight, which is answered; whatever
        else it says has no meaning here.
        """
        if self.failed is not None:
            return []
        self._connection.bio_write(datagram)
        self._go_on()
        return list(self._written())

    @property
    def wait(self) -> float | None:
        """Seconds until :meth:`repeat` is due; None: nothing waits for an answer."""
        if self.keys is not None or self.failed is not None:
            return None
        due = self._connection.DTLSv1_get_timeout()
        return None if due is None else float(due)

    def repeat(self) -> list[bytes]:
        """Return the flight that is to be sent again; nothing when it is too early."""
        if self.failed is not None:
            return []
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(error)
        return list(self._written())

    def _go_on(self) -> None:
        try:
            if self.keys is None:
                self._connection.do_handshake()
                self._take_keys()
            else:
                self._connection.recv(_ROOM)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            pass  # it has closed the association; its keys are good until its call ends
        except SSL.Error as error:
            if self.keys is None:
                self._fail(error)

    def _fail(self, error: SSL.Error) -> None:
        self.failed = f"handshake: {error}"

    def _take_keys(self) -> None:
        shown = self._connection.get_peer_certificate(as_cryptography=True)
        if shown is None or not self._is_expected(shown):
            self.failed = "the certificate is not the one in the session description"
        elif (suite := _PROFILES.get(self._connection.get_selected_srtp_profile())) is None:
            self.failed = "no SRTP profile in common"
        else:
            self.keys = self._exported(suite)

    def _is_expected(self, shown: x509.Certificate) -> bool:
        """RFC 8122 §5: of several fingerprints those by a hash we know must fit, one at least."""
        known = []
        for name, value in self._fingerprints.items():
            try:
                known.append(fingerprint(shown, name) == value.upper())
            except KeyError:
                continue
        return bool(known) and all(known)

    def _exported(self, suite: str) -> Keys:
        """RFC 5764 §4.2: client's key, server's key, client's salt, server's salt."""
        key, salt = KEY_OCTETS[suite]
        material = self._connection.export_keying_material(_EXPORTER, 2 * (key + salt))
        client, server, rest = material[:key], material[key : 2 * key], material[2 * key :]
        client, server = client + rest[:salt], server + rest[salt:]
        local, remote = (client, server) if self._role == "client" else (server, client)
        return Keys(suite, local, remote)

    def _written(self) -> Iterator[bytes]:
        """Cut what OpenSSL has written into datagrams: it is a stream, and may hold a flight."""
        written = b""
        while True:
            try:
                written += self._connection.bio_read(_ROOM)
            except SSL.WantReadError:
                break
        datagram = b""
        while written:
            end = _HEAD + int.from_bytes(written[_HEAD - 2 : _HEAD])
            record, written = written[:end], written[end:]
            if datagram and len(datagram) + len(record) > LARGEST_DATAGRAM:
                yield datagram
                datagram = b""
            datagram += record
        if datagram:
            yield datagram


@lru_cache(maxsize=4)
def _context(certificate: Certificate, profiles: tuple[bytes, ...]) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(b":".join(profiles))
    # Nobody signs such certificates: whoever it is, its fingerprint is compared afterwards.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _any)
    context.use_certificate(x509.load_pem_x509_certificate(certificate.certificate.encode()))
    key = serialization.load_pem_private_key(certificate.key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of a DTLS certificate is one on an elliptic curve")
    context.use_privatekey(key)
    return context


def _any(*_of_the_certificate: object) -> bool:
    return True
