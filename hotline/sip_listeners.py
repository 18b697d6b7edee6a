"""Where SIP is spoken, and with which certificate: from the settings to telephony's own words."""

from pathlib import Path

from config.settings import Settings
from config.sip import ListenerSettings
from hotline.embedded import advertised_host
from telephony.sip.via import Address
from telephony.transport.listener import Listener
from telephony.transport.self_signed import self_signed
from telephony.transport.tls import Tls, TlsFiles

SECURE = frozenset({"TLS", "WSS"})


def further_listeners(settings: Settings) -> list[Listener]:
    """Return the listeners beside the main one, each with what it says about itself."""
    return [
        Listener(one.transport, one.host, one.port, _advertised(one))
        for one in settings.sip.listeners
    ]


def _advertised(listener: ListenerSettings) -> Address:
    host, port = listener.advertised or (None, None)
    return advertised_host(listener.host, host), port or listener.port


def tls(settings: Settings, folder: Path) -> Tls | None:
    """Return our certificate, None where no listener needs one.

    Args:
        settings: all of them.
        folder: where a certificate of our own making is kept.

    Raises:
        OSError: the files cannot be read, or do not fit together.
    """
    secure = [one for one in further_listeners(settings) if one.transport in SECURE]
    if not secure:
        return None
    wanted = settings.tls
    if wanted.certificate is None or wanted.key is None:
        made = self_signed(folder, (secure[0].advertised or (secure[0].host, 0))[0])
        return Tls(TlsFiles(made.certificate, made.key, wanted.ca))
    return Tls(TlsFiles(wanted.certificate, wanted.key, wanted.ca))
