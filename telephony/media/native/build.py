"""``python -m telephony.media.native.build``: compile the packet path.

The library goes into the virtual environment (or into ``var/native`` where there is none), under a
name that holds a digest of the sources, the compiler's options and the machine: an old one is never
loaded, and building twice does nothing. Without a compiler the media process uses the path written
in Python, so a failure here is a notice, not an error.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
ROOT: Final = SOURCES.parents[2]
OPTIONS: Final = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-fPIC", "-fvisibility=hidden", "-pthread"),
    *("-Wall", "-Wextra", "-Werror"),
)
OPTIMISED: Final = ("-O3", "-fno-math-errno")
SANITISED: Final = (
    *("-O1", "-g", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)
_COMPILE_SECONDS = 120


class BuildFailed(Exception):
    """The packet path cannot be compiled here; the message says why, in one line."""


def sources() -> list[Path]:
    """Return what is compiled."""
    return sorted(SOURCES.glob("*.c"))


def location(extra: Sequence[str] = OPTIMISED) -> Path:
    """Return where the library of these sources and options is, or would be."""
    digest = hashlib.sha256(" ".join((*OPTIONS, *extra, platform.machine())).encode())
    for path in (*sources(), SOURCES / "core.h"):
        digest.update(path.read_bytes())
    if sys.prefix != sys.base_prefix:
        folder = Path(sys.prefix) / "lib" / "hotline-native"
    else:
        folder = ROOT / "var" / "native"
    return folder / f"media-{digest.hexdigest()[:16]}.so"


def compiler() -> str | None:
    """Return the C compiler: ``CC``, or the first of the usual names that is there."""
    named = os.environ.get("CC")
    return next(
        (found for name in (named, "cc", "gcc", "clang") if name and (found := shutil.which(name))),
        None,
    )


def build(extra: Sequence[str] = OPTIMISED) -> Path:
    """Compile the library, unless it is there; return where it is.

    Raises:
        BuildFailed: there is no compiler, it refuses, or the folder cannot be written to.
    """
    target = location(extra)
    if target.exists():
        return target
    command = compiler()
    if command is None:
        raise BuildFailed("there is no C compiler (Debian: apt-get install gcc libc6-dev)")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, and then renamed: two builds at once, or one cut off, do no harm.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            _compile(command, extra, made)
            made.replace(target)
    except OSError as error:
        raise BuildFailed(f"cannot write to {target.parent}: {error.strerror}") from error
    return target


def _compile(command: str, extra: Sequence[str], target: Path) -> None:
    files = map(str, sources())
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own compiler, our own files
            (command, *OPTIONS, *extra, "-shared", *files, "-lm", "-o", str(target)),
            capture_output=True,
            text=True,
            timeout=_COMPILE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{command} did not finish in {_COMPILE_SECONDS} s") from None
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise BuildFailed(f"{command} refuses: {reason.strip()}")


def main() -> int:
    """Build, and say in one line what came of it."""
    parser = argparse.ArgumentParser(prog="telephony.media.native.build")
    parser.add_argument("--strict", action="store_true", help="fail if it cannot be built")
    strict = parser.parse_args().strict
    try:
        print(build())  # noqa: T201 - a program's output
    except BuildFailed as error:
        print(f"the media engine in Python is used: {error}", file=sys.stderr)  # noqa: T201
        return int(strict)
    return 0


if __name__ == "__main__":
    sys.exit(main())
