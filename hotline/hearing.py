"""The recognisers of a node, and what becomes of words that they could not hear in time."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from asr.client import RecognizerClient
from asr.group import USUAL, RecognizerGroup
from calls.catch_up import CatchUp
from calls.late_words import LateWords
from calls.recording_files import RecordingFiles
from config.asr import AsrSettings, RecogniserSettings
from hotline.children import ChildProcess
from hotline.frame import Frame
from hotline.recognisers import RecogniserHealth, command, recognisers, takes_hints, title
from hotline.recognition import usual_model, write_hints
from hotline.recording_keys import seal_keys
from hotline.storage import Storage


class Hearing:
    """One process for each recogniser that the settings name, and the connections to them.

    Args:
        frame: the node in the making.
        storage: where transcripts go, and what is likely to be said.
        demonstration_model: recognise with the model that understands only synthetic speech, if
            there is no other.
        is_live: whether a call goes on here.
        on_result: told what was heard of a call that goes on.
        on_here: told that a recogniser is there (True) or away.

    Attributes:
        group: what makes streams.
        health: how each recogniser is.
        late_words: takes what was heard after its call.
        catch_up: hears what was missed.
    """

    def __init__(
        self,
        frame: Frame,
        storage: Storage,
        *,
        demonstration_model: bool,
        is_live: Callable[[str], bool],
        on_result: Callable[[str, Any], None],
        on_here: Callable[[bool], None],
    ) -> None:
        settings = frame.settings.asr
        self._frame = frame
        self._storage = storage
        self._demonstration_model = demonstration_model
        self._tell = on_result
        self._on_here = on_here
        self.health = RecogniserHealth(partial(frame.health.set, "recogniser"))
        clients: dict[str, RecognizerClient] = {}
        for name, recogniser in recognisers(settings).items():
            path = frame.directory.socket(f"asr-{len(clients)}.sock")
            clients[name] = RecognizerClient(
                socket_path=path,
                on_result=self._on_result,
                on_status=partial(self._on_status, name),
                on_load=partial(self.health.load, name),
            )
            if settings.enabled:
                self._add_process(name, recogniser, path)
        self.group = RecognizerGroup(clients, off=not settings.enabled)
        self._make_late(is_live)
        frame.health.count("recogniser", self.group.counts)
        if not settings.enabled:
            self.health.status(USUAL, "off", "asr.enabled is false")
            return
        frame.part("recogniser connection", self.group.start, self.group.close)
        frame.health.count("missed", self.catch_up.counts)
        frame.part("catching up", self.catch_up.start, self.catch_up.close)

    def _add_process(
        self, name: str, recogniser: AsrSettings | RecogniserSettings, socket: Path
    ) -> None:
        frame, settings = self._frame, self._frame.settings.asr
        model = recogniser.model_path
        if name == USUAL:
            frame.running.model, model = usual_model(
                settings, model, demonstration=self._demonstration_model
            )
        hints = frame.directory.run / f"{title(name)}.phrases" if takes_hints(recogniser) else None
        if hints is not None:
            gazetteer = self._storage.rules.gazetteer
            write = partial(
                write_hints,
                hints,
                recogniser.phrases_path,
                names=gazetteer.names if gazetteer is not None else (),
                knowledge=self._storage.knowledge,
            )
            frame.part(f"phrase hints of {title(name)}", write)
        argv = command(settings, recogniser, socket=socket, model=model, hints=hints)
        frame.child(ChildProcess(title(name), argv))

    def _make_late(self, is_live: Callable[[str], bool]) -> None:
        frame, storage = self._frame, self._storage
        self.late_words = LateWords(
            records=storage.records,
            tickets=storage.tickets,
            writer=storage.rules.writer,
            bus=frame.bus,
            sorting=storage.rules.sorting,
            rules=storage.rules.urgency,
        )
        self.catch_up = CatchUp(
            gaps=storage.gaps,
            recognizer=self.group,
            writer=storage.rules.writer,
            bus=frame.bus,
            late_words=self.late_words,
            is_live=is_live,
            files=RecordingFiles(seal_keys(frame.settings)),
        )

    def _on_result(self, stream: str, result: Any) -> None:
        if not self.catch_up.on_result(stream, result):
            self._tell(stream, result)

    def _on_status(self, name: str, status: str, detail: str | None) -> None:
        self._on_here(status == "ok")
        self.health.status(name, status, detail)
