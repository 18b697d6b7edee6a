"""Where a call goes when its peer says 3xx (RFC 3261 §8.1.3.4)."""

from collections.abc import Callable
from dataclasses import dataclass

from aiosipua import SipResponse

from telephony.sip.hop import Destination, located
from telephony.sip.name_addr import (
    AddressError,
    at_the_same_host,
    parse_name_addr,
    tel_number,
    without_headers,
)

_REDIRECTIONS = range(300, 400)
_ALTERNATIVE_SERVICE = 380  # §21.3.5: described in the body, no Contact to go to
_GLOBAL_FAILURES = range(600, 700)


def _nowhere(_host: str) -> bool:
    return False


def _whoever(_uri: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class RedirectPolicy:
    """How far we let ourselves be sent.

    Attributes:
        most: addresses tried in all, after the first.
        allows: whether an address may be at a numeric host that is not the peer's own.
        may_call: whether what would be the Request-URI names somebody who may be called.
    """

    most: int = 5
    allows: Callable[[str], bool] = _nowhere
    may_call: Callable[[str], bool] = _whoever


class Redirections:
    """The addresses that one call was sent on to, best first; none is tried twice.

    Args:
        policy: None: 3xx is a refusal like any other.
        uri: where the call went first.
        destination: the way there.
    """

    def __init__(self, policy: RedirectPolicy | None, uri: str, destination: Destination) -> None:
        self._policy = policy
        self._home = destination
        self._uri = uri
        self._seen = {uri}
        self._left = policy.most if policy else 0
        self._waiting: list[tuple[float, str, Destination]] = []

    def next(self, response: SipResponse) -> tuple[str, Destination] | None:
        """Return the Request-URI and address to try after this final response, None: no more.

        Contacts of a 3xx are put among those that wait, "ordered by the q parameter"; any other
        refusal but 6xx, which speaks for everybody (§21.6), moves on to the next.
        """
        status = response.status_code
        if self._policy is None or status in _GLOBAL_FAILURES:
            return None
        if status in _REDIRECTIONS and status != _ALTERNATIVE_SERVICE:
            self._waiting += self._contacts(response)
            self._waiting.sort(key=lambda entry: -entry[0])  # stable: equal ones as they came
        if not self._waiting or self._left == 0:
            return None
        self._left -= 1
        _, uri, place = self._waiting.pop(0)
        return uri, place

    def _contacts(self, response: SipResponse) -> list[tuple[float, str, Destination]]:
        found = []
        for value in response.headers.get("Contact"):
            try:
                contact = parse_name_addr(value)
            except AddressError:
                continue
            uri = self._as_sip(without_headers(contact.uri))
            # a host name leads back to the peer, who knows where it is; a loop ends here
            place = located(uri, self._home)
            if uri in self._seen or not self._may_go_to(uri, place):
                continue
            self._seen.add(uri)
            found.append((_q(contact.params.get("q")), uri, place))
        return found

    def _as_sip(self, uri: str) -> str:
        """Return a tel URI as the SIP URI by which its peer reaches that number (§19.1.6).

        A telephone number has no host: who sent us there is asked for it, in the form of the
        Request-URI that he was called by. One with parameters (a number that is good in its
        ``phone-context`` alone, an extension) stays what it is, and is not called.
        """
        number = tel_number(uri)
        return uri if number is None else at_the_same_host(self._uri, number)

    def _may_go_to(self, uri: str, place: Destination) -> bool:
        if not uri.lower().startswith(("sip:", "sips:")) or self._policy is None:
            return False
        near = place[0] == self._home[0] or self._policy.allows(place[0])
        return near and self._policy.may_call(uri)


def _q(value: str | None) -> float:
    """Return a q-value (§20.10), 1 where there is none or none that can be read."""
    try:
        q = float(value or "1")
    except ValueError:
        return 1.0
    return q if 0 <= q <= 1 else 1.0
