"""Phones in the pages: their passes, and their lines to the gateway."""

import secrets
from collections.abc import Awaitable, Callable

from config.sip import SipSettings
from hotline.trunks import nonce_secret
from telephony.authentication import CredentialStore
from telephony.gateway import SipGateway
from telephony.passes import Pass, PhonePasses
from telephony.sip.via import Address
from telephony.transport.carried import CarriedLine, Carrier


def phone_passes(
    store: CredentialStore, settings: SipSettings, lasts: Callable[[str], Awaitable[bool]]
) -> PhonePasses:
    """Return passes that all nodes with one nonce secret take; without one only this node.

    ``lasts`` tells whether the session with a digest goes on.
    """
    secret = nonce_secret(settings) or secrets.token_bytes(32)
    return PhonePasses(store, realm=settings.realm, secret=secret, lasts=lasts)


class BrowserPhones:
    """What the web server needs of telephony (:class:`web.ports_people.Phones`).

    Args:
        passes: of the registrar.
        gateway: where lines lead.
        echo: the number by which a phone hears itself; empty: there is none.
    """

    def __init__(self, passes: PhonePasses, gateway: SipGateway, *, echo: str) -> None:
        self.echo = echo
        self._passes = passes
        self._gateway = gateway

    def issue(self, agent_id: str, *, session: str) -> Pass:
        """See the port."""
        return self._passes.issue(agent_id, session)

    def connect(self, peer: Address, carrier: Carrier, *, secure: bool) -> CarriedLine:
        """See the port."""
        return self._gateway.endpoint.carry(peer, carrier, secure=secure)
