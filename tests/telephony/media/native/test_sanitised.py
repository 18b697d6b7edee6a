"""Bad packets against the native path, with the sanitisers looking on."""

import os
import subprocess
import sys

import pytest

from telephony.media.native.build import SANITISED, build, compiler


def _runtime() -> str:
    """Return the address sanitiser, which must be the first library of a process."""
    command = compiler()
    if command is None:
        pytest.skip("no C compiler")
    found = subprocess.run(
        (command, "-print-file-name=libasan.so"), capture_output=True, text=True, check=True
    ).stdout.strip()
    if "/" not in found:
        pytest.skip(f"{command} has no libasan")
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_no_packet_leads_the_native_path_astray(seed: int) -> None:
    done = subprocess.run(
        (
            *(sys.executable, "-m", "tests.support.native_fuzz"),
            *(str(build(SANITISED)), str(seed), "1500"),
        ),
        env={
            **os.environ,
            "LD_PRELOAD": _runtime(),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own would be reported
            "PYTHONMALLOC": "malloc",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
