"""The settings of speech recognition."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.section import Section
from config.values import Name, NamesByText, OptionalPath, Seconds, SpeechUrl, empty_is_none


class VadSettings(Section):
    """The detector that keeps silence from the engine and tells it where an utterance ends."""

    enabled: bool
    """Whether there is one; else the engine hears all, and finds the ends itself."""
    pre_roll_seconds: Seconds
    """How much before the voice is heard as well."""
    hang_over_seconds: Seconds
    """The silence that ends an utterance; the detector itself adds about 0.1 s."""
    aggressiveness: Annotated[int, Field(ge=0, le=3)]
    """How sure it must be to call something voice."""


class RecogniserSettings(Section):
    """A further recogniser, for certain lines or seats."""

    engine: Literal["vosk", "vosk-server", "funasr", "scripted"]
    """What recognises."""
    model_path: OptionalPath = None
    """As ``asr.model_path``."""
    url: Annotated[SpeechUrl | None, BeforeValidator(empty_is_none)] = None
    """As ``asr.url``."""
    server_rate: Literal[8000, 16000] = 8000
    """As ``asr.server_rate``."""
    phrases_path: OptionalPath = None
    """As ``asr.phrases_path``."""
    only_phrases: bool = False
    """As ``asr.only_phrases``."""
    processes: Annotated[int, Field(ge=0)] = 0
    """As ``asr.processes``."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_recogniser(self)
        return self


class AsrSettings(Section):
    """Speech recognition."""

    enabled: bool
    """Whether calls are transcribed."""
    engine: Literal["vosk", "vosk-server", "funasr", "scripted"]
    """What recognises."""
    model_path: OptionalPath
    """The model's folder, or the script's file; None: VOSK_MODEL_PATH, or what set-up fetched."""
    url: Annotated[SpeechUrl | None, BeforeValidator(empty_is_none)]
    """Where the server is ("vosk-server", "funasr")."""
    server_rate: Literal[8000, 16000]
    """Samples per second that a vosk-server's model wants."""
    phrases_path: OptionalPath
    """A file with names that are likely to be said, a line each."""
    only_phrases: bool
    """Nothing but these can be heard."""
    processes: Annotated[int, Field(ge=0)]
    """Processes that recognise ("vosk"); 0: one for each core."""
    threads: Annotated[int, Field(ge=1)]
    """Decoders at once in each of them."""
    process_memory_mb: Annotated[float, Field(gt=0)]
    """A process whose own memory grows beyond this is replaced."""
    watchdog_seconds: Seconds
    """A process that does not answer for so long is taken to hang, and replaced."""
    recycle_seconds: Seconds
    """A call's decoder is replaced after so much speech."""
    backlog_seconds: Seconds
    """How much of a stream's speech may wait for the engine."""
    lag_budget_seconds: Seconds
    """From this lag on streams are given up, and recognised afterwards."""
    by_line: NamesByText
    """Dialled number → the recogniser of its calls."""
    by_skill: NamesByText
    """Skill of a line → the recogniser of its calls, where the number says nothing."""
    vad: VadSettings
    """The voice detector."""
    recognisers: dict[Name, RecogniserSettings]
    """Further recognisers, by name."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        _check_recogniser(self)
        for name in (*self.by_line.values(), *self.by_skill.values()):
            if name not in self.recognisers:
                raise ValueError(f"a table asr.recognisers.{name}, as by_line or by_skill has it")
        return self


def _check_recogniser(settings: RecogniserSettings | AsrSettings) -> None:
    if settings.engine in {"vosk-server", "funasr"} and settings.url is None:
        raise ValueError(f"a url with engine {settings.engine}")
    if settings.only_phrases and settings.phrases_path is None:
        raise ValueError("a phrases_path with only_phrases")
