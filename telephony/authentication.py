"""Who sent a request: digest authentication against the accounts of the node."""

import secrets
import time
from collections.abc import Callable
from typing import Protocol

from aiosipua import SipRequest

from telephony.sip.digest import (
    Algorithm,
    Credentials,
    DigestError,
    DigestGuard,
    is_pass,
    parse_credentials,
    user_of_pass,
)
from telephony.sip.invite_usage import Reply

_SALT_BYTES = 8

#: Phones that give up when any challenge names an algorithm they don't know, instead of taking the
#: one they do (libre before 2.0, ENOSYS; JsSIP, which reads the last challenge only): they see
#: the first challenge, MD5, alone.
_MD5_ALONE = ("baresip v0.", "baresip v1.", "JsSIP ")


class CredentialStore(Protocol):
    """Where the digest secrets of phones are (RFC 7616 §3.4.2)."""

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        """Return hex H(username:realm:password), or None for an unknown user."""
        ...


class ProofListener(Protocol):
    """Wants to know who can be trusted."""

    def __call__(self, client: str, *, proved: bool) -> None:
        """Take note that a host has answered a challenge of ours, and whether rightly."""
        ...


def _nobody(client: str, *, proved: bool) -> None:
    """Take no note."""
    del client, proved


class Authenticator:
    """Finds out who sent a request, or says what to answer instead.

    Args:
        guard: makes and judges.
        credentials: the secrets.
        wall_clock: Unix seconds; shared by the nodes, unlike a monotonic clock.
        on_proof: told of a host that has answered a challenge of ours, and whether rightly.
    """

    def __init__(
        self,
        guard: DigestGuard,
        credentials: CredentialStore,
        *,
        wall_clock: Callable[[], float] = time.time,
        on_proof: ProofListener | None = None,
    ) -> None:
        self._guard = guard
        self._credentials = credentials
        self._wall_clock = wall_clock
        self._on_proof = on_proof or _nobody

    async def username(
        self,
        request: SipRequest,
        *,
        client: str = "",
        as_proxy: bool = False,
        from_page: bool = False,
    ) -> str | Reply:
        """Return the proven user name, or the challenge to answer with: 401, or 407 as a proxy.

        Args:
            request: what is to be proved.
            client: the host that it came from; a nonce is good for the host it was sent to.
            as_proxy: look for Proxy-Authorization.
            from_page: it came over a page's line. A page's pass is good there alone: the line ends
                with the session, and what is registered over it; elsewhere a binding would stay.

        Wrong credentials, an unknown user and unreadable credentials are challenged alike, so that
        nobody learns which user names exist.
        """
        stale, refused = False, None
        for credentials in self._given(request, as_proxy=as_proxy):
            ha1 = None
            if from_page or not is_pass(credentials.username):
                ha1 = await self._credentials.ha1(credentials.username, credentials.algorithm)
            verdict = self._guard.judge(
                credentials,
                ha1=ha1,
                method=request.method,
                uri=request.uri,
                now=self._wall_clock(),
                client=client,
            )
            if verdict == "ok":
                self._on_proof(client, proved=True)
                return user_of_pass(credentials.username)
            if verdict == "refused" and self._is_ours(credentials, client):
                self._on_proof(client, proved=False)
                refused = credentials.nonce
            stale = stale or verdict == "stale"
        values = self._guard.challenge(
            self._wall_clock(),
            salt=secrets.token_bytes(_SALT_BYTES),
            stale=stale,
            client=client,
            refused=refused,
        )
        return self._challenge(request, values, as_proxy=as_proxy)

    def answers_challenge(self, request: SipRequest, client: str) -> bool:
        """Tell whether a request carries a nonce that we have sent to this host, right or wrong."""
        return any(
            self._is_ours(credentials, client)
            for as_proxy in (False, True)
            for credentials in self._given(request, as_proxy=as_proxy)
        )

    def _is_ours(self, credentials: Credentials, client: str) -> bool:
        return self._guard.is_ours(credentials.nonce, client=client, now=self._wall_clock())

    def _given(self, request: SipRequest, *, as_proxy: bool) -> list[Credentials]:
        """Return the credentials for our realm (§22.1: a request may carry several realms')."""
        given = []
        for value in request.headers.get("Proxy-Authorization" if as_proxy else "Authorization"):
            try:
                credentials = parse_credentials(value)
            except DigestError:
                continue
            if credentials.realm == self._guard.realm:
                given.append(credentials)
        return given[:1]  # one realm, one proof: a list of guesses is not tried through

    @staticmethod
    def _challenge(request: SipRequest, values: tuple[str, ...], *, as_proxy: bool) -> Reply:
        if (request.get_header("User-Agent") or "").startswith(_MD5_ALONE):
            values = values[:1]
        name = "Proxy-Authenticate" if as_proxy else "WWW-Authenticate"
        status = 407 if as_proxy else 401
        return Reply(request, status, headers=tuple((name, value) for value in values))
