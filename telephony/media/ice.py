"""Our side of ICE (RFC 8445): lite, so the peer checks and chooses, and we answer. Pure.

A lite agent (§2.5) has one candidate, its own port on an address that everybody can reach. It sends
no checks: it answers those that prove knowledge of the password in its session description, and
takes the pair that the peer nominates.
"""

from dataclasses import dataclass
from typing import Final

from telephony.media import stun
from telephony.media.path import Source
from telephony.media.stun import MalformedStun, StunMessage

MOST_PATHS: Final = 16
"""Addresses of one peer that we remember: a machine has a few, a liar as many as he says."""

_KNOWN = frozenset(
    {stun.USERNAME, stun.MESSAGE_INTEGRITY, stun.PRIORITY, stun.USE_CANDIDATE, stun.FINGERPRINT}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent back to where a check came from."""

    datagram: bytes


@dataclass(frozen=True, slots=True)
class Selected:
    """Media is sent here from now on."""

    source: Source


IceEffect = Answer | Selected


class IceLite:
    """Answers the checks of one peer.

    Args:
        ufrag: our user name fragment.
        password: what the peer's checks are authenticated with.

    Attributes:
        selected: where the peer is; None before its first valid check.
        refused: checks that were malformed or not authentic.
    """

    def __init__(self, ufrag: str, password: str) -> None:
        self.selected: Source | None = None
        self.refused = 0
        self._ufrag = ufrag
        self._key = password.encode()
        self._valid: dict[Source, None] = {}

    def is_valid(self, source: Source) -> bool:
        """Tell whether the peer has proved that it is at this address."""
        return source in self._valid

    def restart(self, ufrag: str, password: str) -> None:
        """Go by other credentials (RFC 8445 §9); media goes on to where it went until then."""
        if (ufrag, password.encode()) == (self._ufrag, self._key):
            return
        self._ufrag, self._key = ufrag, password.encode()

    def handle(self, datagram: bytes, source: Source) -> list[IceEffect]:
        """Take what :func:`telephony.media.stun.is_stun` says is STUN."""
        try:
            message = stun.parse(datagram)
        except MalformedStun:
            self.refused += 1
            return []
        if message.kind != stun.BINDING_REQUEST:
            return []  # an indication keeps a NAT open (§11); answers we have not asked for
        refusal = self._refusal(message)
        if refusal is not None:
            self.refused += 1
            return [Answer(refusal)]
        effects: list[IceEffect] = [Answer(self._success(message, source))]
        if self._select(source, nominated=message.has(stun.USE_CANDIDATE)):
            effects.append(Selected(source))
        return effects

    def _refusal(self, message: StunMessage) -> bytes | None:
        """RFC 8489 §9.1.3: what is answered to whom we don't believe; None: we do."""
        username = message.get(stun.USERNAME)
        if username is None or not message.has(stun.MESSAGE_INTEGRITY):
            return _error(message, 400, "Bad Request")
        ours = username.split(b":", 1)[0]
        if ours != self._ufrag.encode() or not message.is_authentic(self._key):
            return _error(message, 401, "Unauthorized")
        if unknown := message.unknown(_KNOWN):
            named = b"".join(kind.to_bytes(2) for kind in unknown)
            return _error(
                message, 420, "Unknown Attribute", (stun.UNKNOWN_ATTRIBUTES, named), key=self._key
            )
        if message.has(stun.ICE_CONTROLLED):
            # RFC 8445 §6.1.1: next to a lite agent the other one has the controlling role
            return _error(message, 487, "Role Conflict", key=self._key)
        return None

    def _success(self, message: StunMessage, source: Source) -> bytes:
        mapped = stun.xor_address(source[0], source[1], message.transaction)
        return stun.build(
            stun.BINDING_SUCCESS,
            message.transaction,
            [(stun.XOR_MAPPED_ADDRESS, mapped)],
            key=self._key,
        )

    def _select(self, source: Source, *, nominated: bool) -> bool:
        """Note a valid path; tell whether media moves to it.

        Before a nomination the first valid path is as good as any; after it only another one moves.
        """
        if source not in self._valid and len(self._valid) == MOST_PATHS:
            oldest = next(path for path in self._valid if path != self.selected)
            del self._valid[oldest]
        self._valid[source] = None
        moves = self.selected != source and (nominated or self.selected is None)
        if moves:
            self.selected = source
        return moves


def _error(
    message: StunMessage,
    code: int,
    reason: str,
    *further: tuple[int, bytes],
    key: bytes | None = None,
) -> bytes:
    attributes = [(stun.ERROR_CODE, stun.error_code(code, reason)), *further]
    return stun.build(stun.BINDING_ERROR, message.transaction, attributes, key=key)
