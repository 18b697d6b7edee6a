"""The registrar's decisions (RFC 3261 §10.3)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of an address-of-record.

    Attributes:
        aor: user part alone ("1001").
        contact_uri: where to send requests (Request-URI).
        received: the address the REGISTER came from: reaches the phone through its NAT.
        call_id: of the REGISTER that made it.
        cseq: of that REGISTER.
        expires_at: Unix seconds.
        q: preference, 0.0 to 1.0 (RFC 3261 §20.10).
        instance: ``+sip.instance`` (RFC 5626 §4.1), or None.
    """

    aor: str
    contact_uri: str
    received: tuple[str, int]
    call_id: str
    cseq: int
    expires_at: float
    q: float = 1.0
    instance: str | None = None
