"""The certificate that DTLS shows: nobody vouches for it but the fingerprint in the SDP (RFC 8122).

So it is made afresh by every process that needs one, and says nothing about anybody.
"""

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = dt.timedelta(days=3650)  # as long as any process may run
_EARLY = dt.timedelta(days=1)  # for peers whose clock is slow

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
"""What fingerprints may be made with, by its name in RFC 8122 §5; weaker ones are not believed."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, both in PEM."""

    certificate: str
    key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 as it stands in SDP: ``AB:CD:…``."""
        return fingerprint(x509.load_pem_x509_certificate(self.certificate.encode()), "sha-256")


def fingerprint(certificate: x509.Certificate, name: str) -> str:
    """Return a certificate's fingerprint as it stands in SDP (RFC 8122 §5).

    Raises:
        KeyError: by a hash that is not in :data:`HASHES`.
    """
    return certificate.fingerprint(HASHES[name]).hex(":").upper()


def make_certificate() -> Certificate:
    """Make a certificate with a key of its own (P-256: the one that all of WebRTC can)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "media")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(made.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


@cache
def own_certificate() -> Certificate:
    """Return the one that this process shows to everybody."""
    return make_certificate()


@cache
def own_fingerprint() -> str:
    """Return the fingerprint of :func:`own_certificate`."""
    return own_certificate().fingerprint
