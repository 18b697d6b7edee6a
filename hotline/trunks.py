"""The trunks and the limits of the configuration, as telephony wants them."""

from collections.abc import Iterable

from config.settings import Settings
from config.sip import AbuseSettings, SipSettings
from config.trunks import TrunkSettings
from telephony.abuse.bans import BanPolicy
from telephony.abuse.gatekeeper import AbusePolicy
from telephony.sip.hop import Transport, default_port
from telephony.trunks.model import Account, Trunk
from telephony.trunks.numbers import NumberRules
from telephony.trunks.service import TrunkStatus

_TRANSPORTS: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}


def trunks(settings: Settings) -> list[Trunk]:
    """Return them, in the order of the file."""
    inbound = NumberRules(settings.numbers.inbound)
    outbound = NumberRules(settings.numbers.outbound)
    reserved = {name for partner in settings.partners.values() for name in partner.calls_from}
    return [
        _trunk(name, trunk, inbound=inbound, outbound=outbound, reserved=name in reserved)
        for name, trunk in settings.trunks.items()
    ]


def _trunk(
    name: str,
    settings: TrunkSettings,
    *,
    inbound: NumberRules,
    outbound: NumberRules,
    reserved: bool,
) -> Trunk:
    host, port = settings.address or (None, None)
    transport = _TRANSPORTS[settings.transport]
    return Trunk(
        name=name,
        networks=settings.networks,
        host=host,
        port=port or default_port(transport),
        transport=transport,
        domain=settings.domain,
        priority=settings.priority,
        weight=settings.weight,
        max_calls=settings.max_calls or None,
        calls_per_second=settings.calls_per_second or None,
        probe_seconds=settings.options_seconds or None,
        reserved=reserved,
        account=_account(settings),
        inbound=NumberRules(settings.inbound).then(inbound),
        outbound=outbound.then(NumberRules(settings.outbound)),
    )


def _account(settings: TrunkSettings) -> Account | None:
    if settings.user is None or settings.password is None:
        return None
    return Account(
        user=settings.user,
        password=settings.password.get_secret_value(),
        register=settings.register_,
        expires=settings.register_expires,
    )


def trunk_health(trunks: Iterable[TrunkStatus]) -> tuple[str, str | None]:
    """Return how they are together (ok, degraded, away: there is no way out left), and why."""
    each = list(trunks)
    down = [trunk for trunk in each if not trunk.up]
    ways_out = [trunk for trunk in each if trunk.outbound]
    detail = "; ".join(f"{trunk.name}: {trunk.reason}" for trunk in down) or None
    away = bool(ways_out) and not any(trunk.up for trunk in ways_out)
    return "away" if away else "degraded" if down else "ok", detail


def abuse_policy(settings: AbuseSettings) -> AbusePolicy:
    """Return what strangers, users and trunks may do."""
    return AbusePolicy(
        strangers=settings.stranger_rate,
        all_strangers=settings.strangers_rate,
        answers=settings.answer_rate,
        all_answers=settings.answers_rate,
        users=settings.phone_rate,
        trunks=settings.trunk_rate,
        calls=settings.phone_calls,
        bans=BanPolicy(
            failures=settings.failures,
            window=settings.failure_seconds,
            seconds=settings.ban_seconds,
        ),
        scanners=settings.scanners,
    )


def nonce_secret(settings: SipSettings) -> bytes | None:
    """Return the key that the nodes share, if they do."""
    secret = settings.nonce_secret
    return None if secret is None else secret.get_secret_value().encode()
