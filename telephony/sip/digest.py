"""Digest authentication, the server's side (RFC 7616, RFC 2617, RFC 2069; RFC 8760 for SIP).

A nonce carries its own time and a keyed hash over it, so nothing is stored until it is used, and
any node that knows the secret can check it. Of used nonces the nonce-counts are remembered
(RFC 7616 §3.4: "nc … allows the server to detect request replays").
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiosipua import parse_uri

from telephony.sip.errors import SipError
from telephony.sip.via import DEFAULT_PORT

Algorithm = Literal["MD5", "SHA-256"]
Verdict = Literal["ok", "stale", "refused"]

_HASHES: dict[Algorithm, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),  # the phones know no better
    "SHA-256": hashlib.sha256,
}
MARK = "~"
"""Between user and expiry in the name of a short-lived pass (`telephony.passes`)."""
_TIME_DIGITS = 12  # of milliseconds, in hex
_MAC_DIGITS = 32
_WINDOW = 64  # how far behind the highest nc one may come, for requests that overtake each other
_CLOCK_SKEW = 5.0  # seconds by which another node's clock may be ahead
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
_PARAMETER = re.compile(
    rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)', re.DOTALL
)
_NC = re.compile(r"[0-9a-fA-F]{8}")


class DigestError(SipError, ValueError):
    """The peer's: an Authorization header that is not digest credentials."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client proves with (RFC 7616 §3.4). ``qop``, ``nc``, ``cnonce`` None: RFC 2069."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm = "MD5"
    qop: str | None = None
    nc: int | None = None
    cnonce: str | None = None


def parse_credentials(value: str) -> Credentials:
    """Read an Authorization or Proxy-Authorization header.

    Raises:
        DigestError: another scheme, an algorithm or qop that was not offered, or malformed.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise DigestError("not digest credentials")
    given = _parameters(rest)
    algorithm = _algorithm(given.get("algorithm"))
    missing = {"username", "realm", "nonce", "uri", "response"} - given.keys()
    if missing:
        raise DigestError(f"no {min(missing)} in the credentials")
    qop, nc, cnonce = given.get("qop"), given.get("nc"), given.get("cnonce")
    if qop is None:
        nc = cnonce = None
    elif qop.lower() != "auth" or nc is None or cnonce is None or not _NC.fullmatch(nc):
        raise DigestError("qop is not auth, or without nc and cnonce")
    return Credentials(
        username=given["username"],
        realm=given["realm"],
        nonce=given["nonce"],
        uri=given["uri"],
        response=given["response"],
        algorithm=algorithm,
        qop=qop,
        nc=None if nc is None else int(nc, 16),
        cnonce=cnonce,
    )


def _parameters(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    text, position = text.strip(), 0
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None or found[1].lower() in given:
            raise DigestError("malformed or repeated parameter")
        quoted = found[2]
        given[found[1].lower()] = found[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = found.end()
    return given


def _algorithm(name: str | None) -> Algorithm:
    for algorithm in _HASHES:
        if (name or "MD5").upper() == algorithm:
            return algorithm
    raise DigestError("an algorithm that was not offered")


def is_pass(username: str) -> bool:
    """Tell whether a digest user name is a short-lived one."""
    return MARK in username


def user_of_pass(username: str) -> str:
    """Return whose a digest user name is: what stands before the mark of a short-lived one."""
    return username.partition(MARK)[0]


def hash_secret(username: str, realm: str, password: str, algorithm: Algorithm) -> str:
    """Return HA1, what a server stores in the place of the password (RFC 7616 §3.4.2)."""
    return _digest(algorithm, username, realm, password)


def expected_response(credentials: Credentials, *, ha1: str, method: str) -> str:
    """Return the response that proves knowledge of HA1 (RFC 7616 §3.4.1, RFC 2069 §2.1.2)."""
    algorithm = credentials.algorithm
    ha2 = _digest(algorithm, method, credentials.uri)
    if credentials.nc is None or credentials.cnonce is None:
        return _digest(algorithm, ha1, credentials.nonce, ha2)
    return _digest(
        algorithm,
        ha1,
        credentials.nonce,
        f"{credentials.nc:08x}",
        credentials.cnonce,
        credentials.qop or "auth",
        ha2,
    )


def _digest(algorithm: Algorithm, *parts: str) -> str:
    return _HASHES[algorithm](":".join(parts).encode("utf-8", errors="surrogatepass")).hexdigest()


class DigestGuard:
    """Challenges, and judges what comes back.

    Args:
        realm: named in every challenge; may hold no quote or backslash.
        secret: the key of the nonces, shared by the nodes that are to accept each other's.
        nonce_seconds: how long a nonce is good.
        most_nonces: how many used nonces are remembered.
    """

    def __init__(
        self, *, realm: str, secret: bytes, nonce_seconds: float = 300.0, most_nonces: int = 10_000
    ) -> None:
        if not realm.isprintable() or '"' in realm or "\\" in realm:
            raise ValueError(f"not usable as a realm: {realm!r}")
        self.realm = realm
        self._secret = secret
        self._nonce_seconds = nonce_seconds
        self._most_nonces = most_nonces
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()  # highest nc, bits below it
        self._forgotten = 0.0  # nonces made up to this time may have been used and forgotten

    def challenge(
        self,
        now: float,
        *,
        salt: bytes,
        stale: bool = False,
        client: str = "",
        refused: str | None = None,
    ) -> tuple[str, ...]:
        """Return the values of the WWW-Authenticate (or Proxy-Authenticate) headers.

        MD5 stands first although RFC 8760 §2.4 wants the strongest first: SIPp 3.6 and baresip 1.0
        look at the first challenge only and give up where it says SHA-256, while a phone that knows
        SHA-256 finds it in any place. Both carry one nonce, because pyVoIP 1.6 takes the nonce of
        the last challenge and answers with MD5 whatever that challenge says.

        Args:
            now: Unix seconds.
            salt: random bytes, so that two challenges of one millisecond differ.
            stale: the proof was right, only its nonce was too old: the phone need not ask its user.
            client: who is challenged; the nonce is good for him alone (RFC 7616 §5.4).
            refused: our nonce in credentials that were wrong. It is sent again, which tells the
                phone that its password is (RFC 3261 §22.1: credentials "that have just been
                rejected" are not to be tried again); with a new one baresip 1.0 tries for ever.
        """
        time = f"{int(now * 1000):0{_TIME_DIGITS}x}"
        nonce = refused or time + salt.hex() + self._mac(time + salt.hex(), client)
        end = ", stale=true" if stale else ""
        return tuple(
            f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}'
            for algorithm in _HASHES
        )

    def judge(
        self,
        credentials: Credentials,
        *,
        ha1: str | None,
        method: str,
        uri: str,
        now: float,
        client: str = "",
    ) -> Verdict:
        """Judge credentials.

        Args:
            credentials: what the client sent.
            ha1: what the store knows for that user name and algorithm; None: unknown user.
            method: of the request.
            uri: the Request-URI.
            now: Unix seconds.
            client: who has sent it, as in `challenge`.

        Returns:
            ``stale`` when only the nonce is at fault: expired, used, or not made for him.
        """
        expected = expected_response(credentials, ha1=ha1 or "", method=method)
        response = credentials.response.lower().encode(errors="replace")
        proved = hmac.compare_digest(expected.encode(), response)
        if (
            not proved
            or ha1 is None
            or credentials.realm != self.realm
            or not same_target(credentials.uri, uri)
        ):
            return "refused"
        made_at = self._made_at(credentials.nonce, client)
        if made_at is None or not -_CLOCK_SKEW <= now - made_at <= self._nonce_seconds:
            return "stale"
        return "ok" if self._first_use(credentials, made_at) else "stale"

    def is_ours(self, nonce: str, *, client: str, now: float) -> bool:
        """Tell whether a nonce was made for this client lately: he receives what we send."""
        made_at = self._made_at(nonce, client)
        return made_at is not None and now - made_at <= self._nonce_seconds

    def _mac(self, text: str, client: str) -> str:
        signed = f"{self.realm}:{client}:{text}".encode(errors="replace")
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()[:_MAC_DIGITS]

    def _made_at(self, nonce: str, client: str) -> float | None:
        """Return when we made a nonce, in Unix seconds; None when we did not."""
        text, mac = nonce[:-_MAC_DIGITS], nonce[-_MAC_DIGITS:]
        if not hmac.compare_digest(self._mac(text, client).encode(), mac.encode(errors="replace")):
            return None
        return _time_of(nonce)

    def _first_use(self, credentials: Credentials, made_at: float) -> bool:
        """Note the use of a nonce with its count; False when that was noted before.

        Without qop there is no count: such a nonce is good for one request.
        """
        nonce = credentials.nonce
        count = 1 if credentials.nc is None else credentials.nc
        known = self._used.get(nonce)
        if known is None:
            if made_at <= self._forgotten:
                return False
            highest, seen = count, 1
        else:
            highest, seen = known
            if count > highest:
                seen = (seen << min(count - highest, _WINDOW) | 1) & ((1 << _WINDOW) - 1)
                highest = count
            else:
                bit = 1 << (highest - count)
                if credentials.nc is None or highest - count >= _WINDOW or seen & bit:
                    return False
                seen |= bit
        self._used[nonce] = (highest, seen)
        self._used.move_to_end(nonce)
        while len(self._used) > self._most_nonces:
            oldest, _ = self._used.popitem(last=False)
            self._forgotten = max(self._forgotten, _time_of(oldest))
        return True


def _time_of(nonce: str) -> float:
    """Return when a nonce of ours was made, Unix seconds."""
    return int(nonce[:_TIME_DIGITS], 16) / 1000


def same_target(digest_uri: str, request_uri: str) -> bool:
    """Tell whether credentials were made for this Request-URI (RFC 7616 §3.4.6).

    Parameters do not count: pyVoIP proves ``sip:host;transport=UDP`` and asks for ``sip:host``.
    """
    return _target(digest_uri) == _target(request_uri)


def _target(uri: str) -> tuple[str, str | None, str, int]:
    parsed = parse_uri(uri)
    return parsed.scheme, parsed.user, parsed.host.lower(), parsed.port or DEFAULT_PORT
