"""Answering a digest challenge, whatever the request (RFC 3261 §22.2)."""

from dataclasses import replace

from aiosipua import SipDigestAuth, SipResponse, build_credentials, stringify_auth
from aiosipua.headers import parse_auth

from telephony.sip.dialog import OutgoingRequest

_CHALLENGES = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


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
        names = _CHALLENGES.get(response.status_code)
        if names is None or self._credentials is None:
            return None
        if any(name == names[1] for name, _ in request.headers):
            return None
        for value in response.headers.get(names[0]):
            built = build_credentials(
                SipDigestAuth(*self._credentials),
                parse_auth(value),
                request.method,
                request.uri,
                cnonce=self._cnonce,
            )
            if built is not None:
                header = (names[1], stringify_auth(built))
                return replace(request, headers=(*request.headers, header))
        return None
