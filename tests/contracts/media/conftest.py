"""The paths that the contract is tested with."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from telephony.media.native.build import build, compiler
from telephony.media.native.path import NativePath
from telephony.media.python_path import PythonPath
from tests.contracts.media.lab import Lab, MakePath


def _python() -> MakePath:
    return PythonPath


def _native() -> MakePath:
    if compiler() is None:
        pytest.skip("no C compiler")
    return partial(NativePath, build())


PATHS: dict[str, Callable[[], MakePath]] = {"python": _python, "native": _native}


@pytest.fixture(params=list(PATHS))
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(PATHS[request.param]()) as lab:
        yield lab
