"""Vosk as plain, blocking objects: what the thread pool and the worker processes share.

Vosk is Kaldi behind a C interface called through cffi, which lets go of Python's lock.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vosk

from asr.model import ModelError, engine_rate, takes_grammar, verify
from asr.ports import BYTES_PER_SECOND, SAMPLE_RATE, Final, Partial, RecognizerError, Result, Word
from asr.resample import Doubler
from asr.vosk_text import join_words

CHUNK = BYTES_PER_SECOND // 10
"""Bytes that a decoder is given at a time: 100 ms."""

_ONSET = 0.5
"""Seconds by which a partial's first words are older than their appearance; Vosk doesn't say."""


class VoskModel:
    """A loaded model, and what its decoders must be given.

    Args:
        model: Vosk's.
        rate: the samples per second that decoders are given: 8000 or 16000.
        grammar: the only phrases that can be heard; empty: whatever the language model knows.
    """

    def __init__(self, model: vosk.Model, *, rate: int, grammar: Sequence[str] = ()) -> None:
        self._model = model
        self._rate = rate
        # "[unk]" takes what is none of the phrases; without it everything becomes one of them.
        self._grammar = json.dumps([*grammar, "[unk]"], ensure_ascii=False) if grammar else None

    @classmethod
    def load(cls, path: Path, *, grammar: Sequence[str] = ()) -> "VoskModel":
        """Load the model in this folder. Takes a second or more, and starts no threads.

        Raises:
            ModelError: something is missing, Vosk cannot use what is there, or a grammar is wanted
                of a model whose graph was composed beforehand.
        """
        verify(path)
        rate = engine_rate(path)
        if grammar and not takes_grammar(path):
            raise ModelError(
                f"the model in {path} has a static graph (HCLG.fst): it cannot be held to a list "
                "of phrases. Use one with HCLr.fst and Gr.fst, or take the phrases out."
            )
        vosk.SetLogLevel(-1)
        try:
            loaded = cls(vosk.Model(str(path)), rate=rate, grammar=grammar)
            # A damaged graph shows only when a decoder is made.
            loaded.new_decoder().push(bytes(BYTES_PER_SECOND), partials=False)
        except Exception as error:  # Vosk raises nothing finer
            raise ModelError(
                f"Vosk cannot load the model in {path}: a file in it is damaged. "
                "Remove the folder and fetch the model again."
            ) from error
        return loaded

    def new_decoder(self) -> "VoskDecoder":
        """Begin a stream. Raises RecognizerError."""
        try:
            if self._grammar is None:
                decoder = vosk.KaldiRecognizer(self._model, self._rate)
            else:
                decoder = vosk.KaldiRecognizer(self._model, self._rate, self._grammar)
        except Exception as error:  # Vosk raises nothing finer
            raise RecognizerError("Vosk cannot begin a stream") from error
        decoder.SetWords(True)  # noqa: FBT003 - Vosk's interface
        return VoskDecoder(decoder, doubled=self._rate != SAMPLE_RATE)


class VoskDecoder:
    """One stream's decoder; for one thread at a time.

    Args:
        decoder: Vosk's.
        doubled: it wants 16 kHz.

    Attributes:
        clean: what it hears next is not influenced by what it has heard.
    """

    def __init__(self, decoder: vosk.KaldiRecognizer, *, doubled: bool) -> None:
        self.clean = True
        self._decoder = decoder
        self._doubler = Doubler() if doubled else None
        self._heard = 0
        # What is added to Vosk's times, which count from its own first sample.
        self._offset = 0.0
        self._last_end = 0.0
        self._running = False
        self._utterance_start: float | None = None
        self._last_partial = ""

    @property
    def heard(self) -> float:
        """Seconds of audio that it has been given."""
        return self._heard / BYTES_PER_SECOND

    def begin(self, at: float) -> None:
        """Hear somebody whose clock shows ``at`` seconds now, and tell times on that clock."""
        self._offset = at - self.heard
        self._last_end = at
        if self._doubler is not None:
            self._doubler = Doubler()

    def push(self, pcm: bytes, *, partials: bool) -> Result | None:
        """Hear 8 kHz s16le audio; return what is new. Raises RecognizerError."""
        sound = self._doubler.push(pcm) if self._doubler else pcm
        try:
            ended = self._decoder.AcceptWaveform(sound)
            self._heard += len(pcm)
            self.clean, self._running = False, not ended
            if ended:
                return self._final(json.loads(self._decoder.Result()))
            if not partials:
                return None
            return self._partial(json.loads(self._decoder.PartialResult())["partial"])
        except Exception as error:  # Vosk raises nothing finer
            raise RecognizerError("Vosk failed on this stream") from error

    def flush(self) -> Final | None:
        """Return what was heard and not final yet. Raises RecognizerError."""
        try:
            final = self._final(json.loads(self._decoder.FinalResult()))
            # Vosk's CleanUp(): a new front end after FinalResult(), but where Result() was
            # the last, that does nothing.
            self.clean, self._running = self.clean or self._running, False
            return final  # noqa: TRY300 - one try for both of Vosk's calls
        except Exception as error:  # Vosk raises nothing finer
            raise RecognizerError("Vosk failed on this stream") from error

    def _partial(self, spaced: str) -> Partial | None:
        text = join_words(spaced)
        if not text or text == self._last_partial:
            return None
        now = self.heard + self._offset
        if self._utterance_start is None:
            self._utterance_start = max(self._last_end, now - _ONSET)
        self._last_partial = text
        return Partial(text, self._utterance_start, now)

    def _final(self, result: Mapping[str, Any]) -> Final | None:
        self._utterance_start, self._last_partial = None, ""
        offset = self._offset
        text = join_words(result["text"])
        words = tuple(
            Word(word["word"], word["start"] + offset, word["end"] + offset, word["conf"])
            for word in result.get("result", ())
        )
        if not text or not words:
            return None
        self._last_end = words[-1].end
        confidence = sum(word.confidence for word in words) / len(words)
        return Final(text, words[0].start, words[-1].end, words, round(confidence, 4))
