"""The keys of sealed recordings, from the settings."""

from base64 import b64decode
from collections.abc import Sequence

from config.errors import ConfigError, Problem
from config.settings import Settings
from telephony.media.sealed import KEY_OCTETS, SealKeys


def seal_keys(settings: Settings) -> SealKeys | None:
    """Return the keys; None: recordings are WAV files.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    recording = settings.recording
    if recording.encryption_key is not None:
        return _keys("recording.encryption_key", recording.encryption_key.get_secret_value())
    if recording.encryption_key_file is None:
        return None
    option, file = "recording.encryption_key_file", recording.encryption_key_file
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(option, str(file), f"a file of keys ({error})", "")]) from error
    return _keys(option, text)


def _keys(option: str, text: str) -> SealKeys:
    try:
        keys: Sequence[bytes] = [b64decode(word, validate=True) for word in text.split()]
        return SealKeys(keys)
    except ValueError as error:
        wanted = f"keys of {KEY_OCTETS} octets in base 64 (openssl rand -base64 {KEY_OCTETS})"
        raise ConfigError([Problem(option, "", wanted, "")]) from error
