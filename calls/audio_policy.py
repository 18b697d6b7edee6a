"""What the configuration says about calls' audio; one for all calls of a node."""

from dataclasses import dataclass

from calls.recording_files import PLAIN, RecordingFiles


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """How calls are coded.

    Attributes:
        codecs: names of those that are offered and answered, our favourite first.
        dead_leg_seconds: who sends nothing for so long is hung up; None: nobody is.
        files: how recordings lie on the disk.
        dtls_phones: agents whose phones are called with SRTP that has its keys by DTLS.
        inband_keys: names of trunks from which keys come as tones in the audio.
    """

    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    dead_leg_seconds: float | None = None
    dtls_phones: frozenset[str] = frozenset()
    inband_keys: frozenset[str] = frozenset()
    files: RecordingFiles = PLAIN


G711_ONLY = AudioPolicy()
"""G.711 alone."""
