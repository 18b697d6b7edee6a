"""The SIP gateway, from the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import Settings
from eventbus.precedence import Precedence
from hotline.sip_listeners import tls
from hotline.trunks import abuse_policy, nonce_secret, trunks
from telephony.gateway import SipGateway
from telephony.lives import RedisLives
from telephony.passes import PhonePasses
from telephony.redis_bindings import RedisBindings
from telephony.sip.registrar import Limits
from telephony.sip.session_timer import SessionPolicy
from telephony.transport.connection import ConnectionLimits
from telephony.trunks.service import TrunkStatus


def sip_gateway(
    settings: Settings,
    *,
    advertised: tuple[str, int],
    certificates: Path,
    credentials: PhonePasses,
    bindings: RedisBindings,
    lives: RedisLives,
    on_call: Callable[[Any], None],
    on_coming: Callable[[str, str], None],
    precedence: Precedence,
    on_registered: Callable[[str, int], None],
    on_trunk: Callable[[TrunkStatus], None],
) -> SipGateway:
    """Make it; ``certificates`` is where one of our own is kept if none is configured."""
    sip = settings.sip
    return SipGateway(
        trunks=trunks(settings),
        on_trunk=on_trunk,
        abuse=abuse_policy(settings.abuse),
        nonce_secret=nonce_secret(sip),
        realm=sip.realm,
        credentials=credentials,
        bindings=bindings,
        on_call=on_call,
        on_coming=on_coming,
        precedence=precedence,
        on_registered=on_registered,
        advertised=advertised,
        limits=Limits(
            shortest=sip.min_expires, default=sip.default_expires, longest=sip.max_expires
        ),
        session=SessionPolicy(sip.session_seconds, sip.min_session_seconds),
        connections=ConnectionLimits(
            per_source=sip.max_connections_per_source,
            idle_seconds=sip.connection_idle_seconds,
        ),
        tls=tls(settings, certificates),
        certified_trunks=settings.tls.trunks_need_certificate,
        overload_seconds=sip.overload_seconds,
        qualify_seconds=sip.qualify_seconds or None,
        lives=lives,
        life_seconds=settings.agents.node_expiry_seconds,
    )
