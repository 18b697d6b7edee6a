"""Composes a model's graph once for all decoders: ``python -m asr.compose MODEL FOLDER``.

The small Vosk models hold their graph in two halves, words' sounds and a language model, and each
decoder composes of them what it comes by: an instruction in four, and some 10 MB in which it looks
here and there and that no other decoder can use. Composed beforehand, the graph is the same arc for
arc, and so is what is heard; but it is read-only, and lies in memory once for all workers and all
their streams (asr/pool/zygote.py), so that many streams find more of it in the processor's cache.

The new folder is a model like any other. Its graph takes some six times the language model's size,
and its decoders can no longer be held to a list of phrases, for which Vosk needs the halves.

OpenFst's own programs do the work (Debian: libfst-tools), a few seconds for a tiny model.
"""

import argparse
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from asr.model import ModelError, takes_grammar, verify

_PROGRAMS = ("fstcompose", "fstrelabel", "fstconvert")
_TYPES = "fstlookahead"
"""The library that knows the graph types which look ahead."""

_HALVES = ("HCLr.fst", "Gr.fst")


def compose(model: Path, destination: Path) -> Path:
    """Make a model whose graph is whole of one that has it in two halves. Blocking.

    A failure leaves nothing behind.

    Returns:
        ``destination``.

    Raises:
        ModelError: the model is not whole, or has its graph in one already; the destination is
            there already; OpenFst is missing, or failed.
    """
    verify(model)
    if not takes_grammar(model):
        raise ModelError(f"the graph of the model in {model} is whole already")
    if destination.exists():
        raise ModelError(f"{destination} is there already")
    types = _find_programs()
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compose-", dir=destination.parent) as folder:
        copy = Path(folder) / "model"
        _copy_all_but_halves(model, copy)
        graph = _graph(model)
        _compose_graph(graph, copy / graph.relative_to(model), Path(folder), types)
        verify(copy)
        copy.rename(destination)
    return destination


def _find_programs() -> str:
    """Return the name of the library with the graph types. Raises ModelError."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    types = ctypes.util.find_library(_TYPES)
    if missing or types is None:
        what = ", ".join([*missing, *([] if types else [f"lib{_TYPES}"])])
        raise ModelError(f"OpenFst is needed, and lacks {what} (Debian: apt install libfst-tools)")
    return types


def _graph(model: Path) -> Path:
    return model if (model / "final.mdl").is_file() else model / "graph"


def _copy_all_but_halves(model: Path, copy: Path) -> None:
    for path in model.rglob("*"):
        if path.is_file() and path.name not in _HALVES:
            target = copy / path.relative_to(model)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _compose_graph(halves: Path, whole: Path, folder: Path, types: str) -> None:
    """Compose the halves in the one folder into the other; ``folder`` is for what lies between."""
    composed, plain, pairs = (folder / name for name in ("composed", "plain", "pairs"))
    _run(types, "fstcompose", *(halves / half for half in _HALVES), composed)
    # Symbols that only kept homophones apart mean nothing to a decoder: as src/model.cc of Vosk.
    apart = (halves / "disambig_tid.int").read_text(encoding="ascii").split()
    pairs.write_text("".join(f"{symbol} 0\n" for symbol in apart), encoding="ascii")
    _run(types, "fstrelabel", f"--relabel_ipairs={pairs}", composed, plain)
    _run(types, "fstconvert", "--fst_type=const", plain, whole / "HCLG.fst")


def _run(types: str, program: str, *arguments: str | Path) -> None:
    # Loaded beforehand: OpenFst would look for the types under file names that Debian has not.
    environment = {**os.environ, "LD_PRELOAD": types}
    done = subprocess.run(  # noqa: S603 - the system's own program, our own files
        [shutil.which(program) or program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ModelError(f"{program} failed: {done.stderr.strip() or done.returncode}")


def main() -> int:
    """Compose; return 1, with the reason on stderr, on failure."""
    parser = argparse.ArgumentParser(prog="python -m asr.compose", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        path = compose(options.model, options.folder)
    except (ModelError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
