"""What the settings say about calls' audio."""

import structlog

from calls.audio_policy import AudioPolicy
from calls.recording_files import RecordingFiles
from config.settings import Settings
from hotline.recording_keys import seal_keys
from telephony.media.codecs import CODECS

log = structlog.get_logger(__name__)


def audio_policy(settings: Settings) -> AudioPolicy:
    """Return how calls are coded: as configured, as far as it is installed here."""
    wanted = settings.media.codecs
    missing = [name for name in wanted if name not in CODECS]
    if missing:
        log.warning("codecs_not_installed", codecs=missing)
    return AudioPolicy(
        codecs=tuple(name for name in wanted if name in CODECS) or tuple(CODECS),
        dead_leg_seconds=settings.media.dead_leg_seconds or None,
        files=RecordingFiles(seal_keys(settings)),
        dtls_phones=frozenset(settings.media.dtls_phones),
        inband_keys=frozenset(name for name, trunk in settings.trunks.items() if trunk.inband_keys),
    )
