"""What recognisers are given: a model, and the names that are likely to be said."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog

import asr.model
from config.asr import AsrSettings
from hotline.recognisers import hints
from tickets.help.knowledge_base import KnowledgeBase

log = structlog.get_logger(__name__)


def usual_model(
    settings: AsrSettings, configured: Path | None, *, demonstration: bool
) -> tuple[str, Path | None]:
    """Return the model's name and folder; without a whole one the recogniser looks for it again.

    Args:
        settings: those of recognition.
        configured: the folder that they name.
        demonstration: without a model for callers, use the one for synthetic speech.
    """
    if settings.engine != "vosk":
        return "", configured
    try:
        model = asr.model.find(configured)
    except asr.model.ModelError as error:
        if configured is not None or not demonstration:
            log.error("no_recognition_model", reason=str(error))  # noqa: TRY400 - no trace
            return "", configured
        model = asr.model.SYNTHETIC
    return model.name, model


async def write_hints(
    path: Path, own: Path | None, *, names: Iterable[str], knowledge: KnowledgeBase
) -> None:
    """Write down the names that are likely to be said: the city's, the knowledge base's."""
    entries = [entry for entry, _version in await knowledge.list_()]
    try:
        phrases = await asyncio.to_thread(hints, names, entries, own)
    except (OSError, UnicodeDecodeError) as error:
        log.warning("no_own_phrases", path=str(own), error=str(error))
        phrases = hints(names, entries, None)
    await asyncio.to_thread(path.write_text, "\n".join(phrases), encoding="utf-8")
