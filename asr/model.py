"""The recognition model on disk: where it is, whether it is whole, how to get it.

Layouts are those that Vosk's ``src/model.cc`` reads: the present one (``am/ conf/ graph/``) and the
old flat one (``final.mdl mfcc.conf``).
"""

import argparse
import hashlib
import http.client
import os
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from asr.ports import RecognizerError

NAME = "vosk-model-small-cn-0.22"
URL = f"https://alphacephei.com/vosk/models/{NAME}.zip"
SIZE = 43_898_754
SHA256 = "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba"

ROOT = Path(__file__).parent.parent
DEFAULT = ROOT / "var" / "models" / NAME
SYNTHETIC = ROOT / "tests" / "assets" / "models" / "vosk-model-tiny-cn-tel"
"""In the repository: understands espeak-ng's voice and nobody else's. Whoever uses it says so."""

_BY_HAND = (
    f"unpack {URL} into {DEFAULT.parent}, or let VOSK_MODEL_PATH name the folder of a Vosk model"
)
_REMEDY = f"Fetch it with `python -m asr.model`, or {_BY_HAND}."
_NO_NETWORK = f"From a machine that can: {_BY_HAND}."
_NEEDED = ("am/final.mdl", "conf/mfcc.conf", "conf/model.conf", "graph/words.txt")
_NEEDED_FLAT = ("final.mdl", "mfcc.conf", "words.txt")
_RATES = (8000, 16000)
_TIMEOUT = 5.0
_PIECE = 1 << 16
_UNPACKED_LIMIT = 4 << 30


class ModelError(RecognizerError):
    """The model is missing, broken, or cannot be fetched; the message says what to do."""


def find(explicit: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the model to use.

    In this order: ``explicit`` and nothing else when given; ``VOSK_MODEL_PATH`` (Vosk's own
    variable), which may be a model or a folder with models in it; ``var/models``.

    Raises:
        ModelError: there is none, or the one asked for is not whole.
    """
    if explicit is not None:
        verify(explicit)
        return explicit
    tried = []
    if named := environ.get("VOSK_MODEL_PATH"):
        if found := _model_in(Path(named)):
            return found
        tried.append(f"no whole Chinese model in VOSK_MODEL_PATH={named}")
    try:
        verify(DEFAULT)
    except ModelError as error:
        raise ModelError("; ".join([*tried, str(error)])) from None
    return DEFAULT


def verify(path: Path) -> None:
    """Check that the folder holds a model that Vosk can load.

    Raises:
        ModelError: naming the folder, what is missing in it, and what to do.
    """
    if not path.is_dir():
        raise ModelError(f"no recognition model at {path}. {_REMEDY}")
    flat = (path / "final.mdl").is_file()
    graph = path if flat else path / "graph"
    missing = [name for name in (_NEEDED_FLAT if flat else _NEEDED) if not _filled(path / name)]
    if not _filled(graph / "HCLG.fst"):
        # Composed at run time from two halves, or else whole.
        halves = ("HCLr.fst", "Gr.fst", "disambig_tid.int")
        missing += [str((graph / n).relative_to(path)) for n in halves if not _filled(graph / n)]
    if missing:
        raise ModelError(f"the model at {path} lacks {', '.join(missing)}. {_REMEDY}")


def is_synthetic(path: Path) -> bool:
    """Tell whether this is the model that understands only synthetic speech."""
    return path.name == SYNTHETIC.name


def sample_rate(path: Path) -> int:
    """Return the sample rate that the model was trained on, from ``mfcc.conf``.

    Raises:
        ModelError: neither 8 nor 16 kHz. (Kaldi would end the process at the first sample.)
    """
    text = _features(path)
    # Kaldi's default (feat/feature-window.h) is 16 kHz.
    found = re.findall(r"^\s*--sample[-_]frequency=([\d.]+)", text, re.MULTILINE)
    rate = round(float(found[-1])) if found else 16000
    if rate not in _RATES:
        raise ModelError(f"the model at {path} is for {rate} Hz; 8000 and 16000 can be used")
    return rate


def engine_rate(path: Path) -> int:
    """Return the sample rate at which the engine shall be given telephone sound.

    A model for 16 kHz takes 8 kHz as it is where its ``mfcc.conf`` says ``--allow-upsample=true``;
    where it does not, Kaldi would end the process at the first 8 kHz sample, and we double.

    Raises:
        ModelError: as ``sample_rate``.
    """
    rate = sample_rate(path)
    found = re.findall(r"^\s*--allow[-_]upsample(?:=(\w+))?", _features(path), re.MULTILINE)
    # Kaldi's option parser takes a bare ``--name`` for true.
    upsamples = bool(found) and found[-1].lower() in {"", "true", "t", "1"}
    return 8000 if upsamples else rate


def takes_grammar(path: Path) -> bool:
    """Tell whether decoders of this model can be held to a list of phrases.

    That needs the two halves of a graph that is composed at run time (Vosk's ``src/model.cc``).
    """
    graph = path if (path / "final.mdl").is_file() else path / "graph"
    return not _filled(graph / "HCLG.fst") and _filled(graph / "HCLr.fst")


def _features(path: Path) -> str:
    """Return the text of ``mfcc.conf``, without comments."""
    for name in ("conf/mfcc.conf", "mfcc.conf"):
        if (path / name).is_file():
            text = (path / name).read_text(encoding="utf-8", errors="replace")
            return re.sub(r"#.*", "", text)
    raise ModelError(f"the model at {path} lacks mfcc.conf. {_REMEDY}")


def fetch(
    destination: Path = DEFAULT,
    *,
    url: str = URL,
    size: int = SIZE,
    sha256: str = SHA256,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    timeout: float = _TIMEOUT,
) -> Path:
    """Download the model, check it, and put it in place. Blocking.

    Does nothing when a whole model is there already. A failure leaves what was there.

    Args:
        destination: the folder that will be the model.
        url: a zip with one folder in it, the model.
        size: of the zip, in bytes.
        sha256: of the zip, in hexadecimal.
        progress: called with bytes so far and bytes in all.
        timeout: seconds without an answer, or without a byte, after which the server is given up.

    Returns:
        ``destination``.

    Raises:
        ModelError: no network, not the expected file, or no room on the disk.
    """
    try:
        verify(destination)
    except ModelError:
        pass
    else:
        return destination
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=destination.parent) as folder:
            archive = Path(folder) / "model.zip"
            _download(url, archive, size=size, sha256=sha256, progress=progress, timeout=timeout)
            model = _unpack(archive, Path(folder) / "unpacked")
            verify(model)
            if destination.exists():
                shutil.rmtree(destination)
            model.rename(destination)
    except OSError as error:
        raise ModelError(
            f"cannot write the model to {destination}: {error.strerror or error}"
        ) from error
    return destination


def _model_in(path: Path) -> Path | None:
    """Return the model that this folder is, or holds; the official one before others."""
    try:
        inside = sorted(path.glob("vosk-model*cn*"), key=lambda p: (p.name != NAME, p.name))
    except OSError:
        inside = []
    for candidate in (path, *inside):
        try:
            verify(candidate)
        except ModelError:
            continue
        return candidate
    return None


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _download(
    url: str,
    archive: Path,
    *,
    size: int,
    sha256: str,
    progress: Callable[[int, int], None],
    timeout: float,
) -> None:
    digest, done = hashlib.sha256(), 0
    try:
        with (
            urllib.request.urlopen(url, timeout=timeout) as response,  # noqa: S310 - operator's URL
            archive.open("wb") as file,
        ):
            while done <= size and (piece := response.read(_PIECE)):
                done += len(piece)
                digest.update(piece)
                file.write(piece)
                progress(min(done, size), size)
    except urllib.error.HTTPError as error:
        with error:
            raise ModelError(f"{url} answers {error.code} {error.reason}. {_NO_NETWORK}") from None
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(f"cannot reach {url}: {reason}. {_NO_NETWORK}") from None
    if done != size:
        raise ModelError(f"{url} sent {done} bytes, not {size}: cut short, or another file.")
    if digest.hexdigest() != sha256:
        raise ModelError(f"{url} sent another file than expected: SHA-256 {digest.hexdigest()}.")


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack, and return the one folder inside."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            entries = bundle.infolist()
            if sum(entry.file_size for entry in entries) > _UNPACKED_LIMIT:
                raise ModelError("the archive is larger than any model")
            for entry in entries:
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise ModelError(f"the archive has a path that leads out: {entry.filename}")
            bundle.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ModelError(f"the archive is damaged: {error}") from None
    inside = [path for path in folder.iterdir() if path.is_dir()]
    if len(inside) != 1:
        raise ModelError("the archive does not hold one folder, the model")
    return inside[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the model: ``python -m asr.model``. Return 1, with the reason on stderr, on failure."""
    told = f"Fetches the recognition model {NAME}, unless there is one, and prints where it is."
    argparse.ArgumentParser("python -m asr.model", description=told).parse_args(arguments)

    def show(done: int, total: int) -> None:
        sys.stderr.write(f"\r{NAME}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    try:
        path = fetch(progress=show)
    except ModelError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    sys.stderr.write(f"\n{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
