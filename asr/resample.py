"""8 kHz to 16 kHz, for models trained on wide-band sound.

Twice the rate: a zero after each sample, then a low-pass filter at the old Nyquist frequency. As
every other tap then meets a zero, the filter falls into two short ones (its polyphase branches).
The filter is a half-band one: its even branch is the sample itself, only the samples between are
computed. Streaming: the last samples are kept for the next piece, so that pieces join without a
seam; the output lags the input by 2 ms.

Kaldi would do this inside when ``conf/mfcc.conf`` says ``--allow-upsample=true``; where it does not
say so (the official small models), Kaldi ends the whole process on the first 8 kHz sample.
"""

import numpy as np
import numpy.typing as npt

_HALF = 16


def _between() -> npt.NDArray[np.float32]:
    """Return the branch that computes the sample half-way between two: 32 taps.

    A sinc at half-sample offsets under a Kaiser window (beta 6: stop band about 63 dB down, which
    is below the quantisation of G.711).
    """
    offsets = np.arange(-_HALF, _HALF) + 0.5
    taps = np.sinc(offsets) * np.kaiser(2 * _HALF, 6.0)
    return np.asarray(taps / taps.sum(), np.float32)


_TAPS = _between()


class Doubler:
    """Turns 8 kHz s16le into 16 kHz s16le, piece by piece."""

    def __init__(self) -> None:
        self._kept = np.zeros(2 * _HALF - 1, np.float32)

    def push(self, pcm: bytes) -> bytes:
        """Return twice as many samples as were given."""
        if not pcm:
            return b""
        samples = np.concatenate((self._kept, np.frombuffer(pcm, "<i2").astype(np.float32)))
        self._kept = samples[-(2 * _HALF - 1) :]
        between = np.convolve(samples, _TAPS, mode="valid")
        doubled = np.empty(2 * len(between), np.float32)
        # Taps are symmetric: the value between samples k and k+1 of the window's middle.
        doubled[0::2] = samples[_HALF - 1 : _HALF - 1 + len(between)]
        doubled[1::2] = between
        return np.clip(np.rint(doubled), -32768, 32767).astype("<i2").tobytes()
