"""The media processes of a node, and its connections to them."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from hotline.children import ChildProcess
from hotline.frame import Frame
from hotline.media import MediaHealth, commands, process_count, title, usable_cores
from telephony.media_commands import MediaEvent, RecordingFailed
from telephony.media_pool import MediaPool

_CONNECT_SECONDS = 30.0


class MediaProcesses:
    """The processes that carry speech, as many as the settings and the machine say.

    Args:
        frame: the node in the making.
        on_lost: told of the sessions that a process took along.
        on_event: told what happens in a session.

    Attributes:
        pool: what makes sessions in them.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        on_lost: Callable[[Sequence[str]], None],
        on_event: Callable[[MediaEvent], None],
    ) -> None:
        settings, cores = frame.settings.media, usable_cores()
        self._count = process_count(settings, len(cores))
        paths = [frame.directory.socket(f"{title(number)}.sock") for number in range(self._count)]
        self._frame = frame
        self._tell = on_event
        self._health = MediaHealth(self._count, partial(frame.health.set, "media"))
        for number, argv in enumerate(commands(settings, paths, cores)):
            frame.child(ChildProcess(title(number), argv, on_state=self._health.state))
        self.pool = MediaPool(socket_paths=paths, on_lost=on_lost, on_event=self._on_event)
        frame.part("media connection", self._connect, self.pool.close)

    async def _connect(self) -> None:
        await self.pool.start()
        async with asyncio.timeout(_CONNECT_SECONDS):
            await self.pool.wait_connected()
        count = self._frame.health.count
        count("media", self.pool.counts)
        if self._count > 1:
            for number, client in enumerate(self.pool.clients, 1):
                count(f"media_{number}", client.counts)

    def _on_event(self, event: MediaEvent) -> None:
        if isinstance(event, RecordingFailed):
            self._health.recording_failed(event.reason)
        else:
            self._tell(event)
