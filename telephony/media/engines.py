"""Which packet path a media process uses: the one in C where it has been built, else Python's."""

from functools import partial
from typing import Final, Literal

import structlog

from telephony.media.engine import MakePath
from telephony.media.native.build import location
from telephony.media.native.path import NativePath
from telephony.media.python_path import PythonPath
from telephony.media.scheduling import Realtime

log = structlog.get_logger(__name__)

EngineName = Literal["auto", "native", "python"]
ENGINES: Final = ("auto", "native", "python")


class EngineMissing(Exception):
    """The native engine was asked for and has not been built."""


def make_path(engine: EngineName, *, realtime: Realtime = "never") -> MakePath:
    """Return what makes the packet path.

    Args:
        engine: which one.
        realtime: whether its thread goes before all that is not in real time, where the system
            permits it (:mod:`telephony.media.scheduling`); Python's has no thread, and never does.

    Raises:
        EngineMissing: see there.
    """
    library = location()
    if engine == "python" or (engine == "auto" and not library.exists()):
        if engine == "auto":
            log.warning("the media engine in Python is used: the native one has not been built")
        return PythonPath
    if not library.exists():
        raise EngineMissing(
            f"{library} has not been built: run scripts/setup.sh (with a C compiler at hand)"
        )
    return partial(NativePath, library, realtime=realtime)
