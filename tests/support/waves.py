"""WAV files in memory."""

import io
import wave


def mono_wav(seconds: float, *, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """Return a silent recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(int(seconds * rate) * channels * width))
    return out.getvalue()
