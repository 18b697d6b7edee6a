"""Digest authentication, the client's side (RFC 3261 §22.2, RFC 7616, RFC 8760)."""

from dataclasses import replace

from aiosipua import SipDigestAuth, SipResponse, build_credentials, stringify_auth
from aiosipua.headers import AuthChallenge, parse_auth

from telephony.sip.dialog import OutgoingRequest

_HEADERS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
_STRONGEST_FIRST = ("SHA-256", "MD5")


def challenges(response: SipResponse) -> list[AuthChallenge]:
    """Return what a 401 or 407 asks for and we can answer, the strongest algorithm first."""
    names = _HEADERS.get(response.status_code)
    if names is None:
        return []
    read = [parse_auth(value) for value in response.headers.get(names[0])]
    usable = [one for one in read if _algorithm(one) in _STRONGEST_FIRST]
    # RFC 8760 §2.4: the client picks what it likes best; ours is not the server's order, for many
    # a server names MD5 first so that old phones find it
    return sorted(usable, key=lambda one: _STRONGEST_FIRST.index(_algorithm(one)))


def is_stale(response: SipResponse) -> bool:
    """Tell whether only the nonce was at fault (RFC 7616 §3.3)."""
    return any(one.params.get("stale", "").lower() == "true" for one in challenges(response))


def answer_challenge(
    response: SipResponse, *, user: str, password: str, method: str, uri: str, cnonce: str
) -> tuple[str, str] | None:
    """Return the header (name, value) that a repeated request is to carry; None: no answer.

    Args:
        response: the 401 or 407.
        user: of the account there.
        password: of the account there.
        method: of the request.
        uri: its Request-URI.
        cnonce: a fresh random string.
    """
    for challenge in challenges(response):
        built = build_credentials(
            SipDigestAuth(user, password), challenge, method, uri, cnonce=cnonce
        )
        if built is not None:
            return _HEADERS[response.status_code][1], stringify_auth(built)
    return None


def _algorithm(challenge: AuthChallenge) -> str:
    return (challenge.params.get("algorithm") or "MD5").upper()


class DigestClient:
    """Our credentials with one peer.

    Args:
        credentials: (user, password), or None: every challenge is a refusal.
        cnonce: a random string.
    """

    def __init__(self, credentials: tuple[str, str] | None, cnonce: str) -> None:
        self._credentials = credentials
        self._cnonce = cnonce

    def answer(self, request: OutgoingRequest, response: SipResponse) -> OutgoingRequest | None:
        """Return the request with credentials; None when there is no answer to give.

        One attempt for each request: who refuses our credentials is not asked again. The CSeq is
        the caller's to raise.
        """
        if self._credentials is None:
            return None
        user, password = self._credentials
        header = answer_challenge(
            response,
            user=user,
            password=password,
            method=request.method,
            uri=request.uri,
            cnonce=self._cnonce,
        )
        if header is None or any(name == header[0] for name, _ in request.headers):
            return None
        return replace(request, headers=(*request.headers, header))
