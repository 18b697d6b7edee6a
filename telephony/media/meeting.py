"""With whom a handshake is held where no ICE has found the peer (RFC 5763 alone). Pure.

A handshake that anybody may join can be spoilt by anybody: a stranger's hello diverts our answers,
his nonsense ends it. So the rules are those of symmetric RTP (:mod:`telephony.media.session`): the
hosts that the peer has named may be first, and whoever is first stays; somebody from elsewhere must
wait until none of them has come, and gives way to them.
"""

from typing import Final, Literal

from telephony.media.path import LATCH_PATIENCE, Source

Verdict = Literal["stranger", "same", "other"]

ANYWHERE: Final = frozenset[str]()


class Meeting:
    """Who is met.

    Args:
        named: hosts in the peer's description, and that its SIP came from; none: nobody is named.

    Attributes:
        met: the address that the handshake is held with; None before the first datagram.
    """

    def __init__(self, named: frozenset[str] = ANYWHERE) -> None:
        self.met: Source | None = None
        self._named = named
        self._patient_until: float | None = None

    def judge(self, source: Source, now: float) -> Verdict:
        """Judge where a datagram of a handshake comes from.

        ``other``: it is with this one from now on, and whatever was said before is void.
        """
        if source == self.met:
            return "same"
        named = not self._named or source[0] in self._named
        if self.met is not None:
            gives_way = bool(self._named) and named and self.met[0] not in self._named
            return self._meet(source) if gives_way else "stranger"
        if self._patient_until is None:
            self._patient_until = now + LATCH_PATIENCE
        return self._meet(source) if named or now >= self._patient_until else "stranger"

    def _meet(self, source: Source) -> Verdict:
        first, self.met = self.met is None, source
        return "same" if first else "other"
