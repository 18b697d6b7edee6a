"""Asks registered phones by OPTIONS whether they are still there (RFC 3261 §11).

The question itself keeps a NAT's way to the phone open, in both directions.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from aiosipua import SipResponse

from telephony.alarm import Alarm
from telephony.bindings import Binding
from telephony.endpoint import SipEndpoint
from telephony.sip.dialog import OutgoingRequest, routed
from telephony.sip.errors import TransactionFailure
from telephony.sip.message import FINAL
from telephony.sip.name_addr import sip_uri, without_headers

_ID_BYTES = 8
# What a proxy says of a phone that does not answer it: nobody did, or the way is gone (RFC 5626
# §11.5), or, with Kamailio, nothing could be sent.
_PROXY_HAS_NO_ANSWER = frozenset({408, 430, 477, 478})
_SILENT = 2  # questions in a row without an answer, after which a phone is gone

log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""Address-of-record and Contact URI."""


@dataclass(slots=True)
class _Phone:
    binding: Binding
    answered: bool = False  # it has ever answered: some phones pass over OPTIONS
    silent: int = 0


class Qualifier:
    """Asks each phone that it is told of, until the binding is taken back.

    Args:
        endpoint: an open one.
        every: seconds between two questions to one phone.
        product: our name, for User-Agent.
        on_gone: told of a phone that used to answer and does so no more; it is asked no more.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        *,
        every: float,
        product: str,
        on_gone: Callable[[Binding], None],
    ) -> None:
        self._endpoint = endpoint
        self._every = every
        self._product = product
        self._on_gone = on_gone
        self._phones: dict[Key, _Phone] = {}
        self._alarm: Alarm[Key] = Alarm(self._ask)

    def watch(self, binding: Binding) -> None:
        """Begin or go on asking, where the phone is now."""
        key = binding.aor, binding.contact_uri
        known = self._phones.get(key)
        if known is None:
            self._phones[key] = _Phone(binding)
            self._alarm.set(key, self._alarm.now() + self._every)
        else:
            known.binding = binding
            known.silent = 0

    def forget(self, key: Key) -> None:
        """Stop asking."""
        if self._phones.pop(key, None) is not None:
            self._alarm.set(key, None)

    def close(self) -> None:
        """Stop asking all."""
        self._alarm.close()
        self._phones.clear()

    def _ask(self, key: Key) -> None:
        phone = self._phones[key]
        binding = phone.binding
        hop = binding.hop
        target, route = routed(without_headers(binding.contact_uri), binding.path)
        us = self._endpoint.reached_at(hop)[1]
        request = OutgoingRequest(
            method="OPTIONS",
            uri=target,
            destination=hop,
            from_=f"<{sip_uri('hotline', us)}>;tag={secrets.token_hex(_ID_BYTES)}",
            to=f"<{sip_uri(binding.aor, us)}>",
            call_id=f"{secrets.token_hex(_ID_BYTES * 2)}@{us[0]}",
            cseq=1,
            route=route,
            headers=(("Accept", "application/sdp"),),
        )
        message = request.to_message()
        message.headers.append("User-Agent", self._product)
        self._endpoint.send_request(
            message,
            hop,
            on_response=partial(self._answered, key, phone),
            on_failure=partial(self._failed, key, phone),
        )

    def _answered(self, key: Key, phone: _Phone, response: SipResponse) -> None:
        if response.status_code < FINAL or self._phones.get(key) is not phone:
            return
        if phone.binding.path and response.status_code in _PROXY_HAS_NO_ANSWER:
            self._failed(key, phone, "timeout")
            return
        # whatever it says, somebody is there
        phone.answered, phone.silent = True, 0
        self._alarm.set(key, self._alarm.now() + self._every)

    def _failed(self, key: Key, phone: _Phone, cause: TransactionFailure) -> None:
        if self._phones.get(key) is not phone:
            return
        phone.silent += 1
        if phone.answered and phone.silent >= _SILENT:
            log.info("phone_silent", aor=key[0], cause=cause)
            self.forget(key)
            self._on_gone(phone.binding)
        else:
            self._alarm.set(key, self._alarm.now() + self._every)
