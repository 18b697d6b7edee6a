"""The paths that the contract is tested with."""

from collections.abc import Iterator

import pytest

from telephony.media.python_path import PythonPath
from tests.contracts.media.lab import Lab, MakePath

PATHS: dict[str, MakePath] = {"python": PythonPath}


@pytest.fixture(params=list(PATHS))
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(PATHS[request.param]) as lab:
        yield lab
