import hashlib
import http.server
import io
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr import model
from asr.model import ModelError
from tests.asr import speech

FILES = {
    "am/final.mdl": b"network",
    "conf/mfcc.conf": b"--use-energy=false\n--sample-frequency=16000\n",
    "conf/model.conf": b"--beam=10\n",
    "graph/HCLG.fst": b"graph",
    "graph/words.txt": "你好 1\n".encode(),
}


def lay_out(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


GOOD = archive({f"vosk-model-small-cn-0.22/{name}": data for name, data in FILES.items()})


# -- where it is


def test_the_explicit_path_is_used_and_nothing_else(tmp_path: Path) -> None:
    there = lay_out(tmp_path / "mine")
    assert model.find(there, environ={"VOSK_MODEL_PATH": str(speech.MODEL)}) == there
    with pytest.raises(ModelError, match="elsewhere"):
        model.find(tmp_path / "elsewhere", environ={"VOSK_MODEL_PATH": str(there)})


def test_vosks_variable_may_be_a_model() -> None:
    assert model.find(environ={"VOSK_MODEL_PATH": str(speech.MODEL)}) == speech.MODEL


def test_vosks_variable_may_hold_models_the_official_one_first(tmp_path: Path) -> None:
    lay_out(tmp_path / "vosk-model-cn-0.1")
    lay_out(tmp_path / "vosk-model-small-en-us-0.15")
    (tmp_path / "vosk-model-a-cn").mkdir()
    environ = {"VOSK_MODEL_PATH": str(tmp_path)}
    assert model.find(environ=environ) == tmp_path / "vosk-model-cn-0.1"
    official = lay_out(tmp_path / model.NAME)
    assert model.find(environ=environ) == official


def test_nothing_anywhere_says_where_it_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "DEFAULT", tmp_path / "var")
    with pytest.raises(ModelError) as caught:
        model.find(environ={"VOSK_MODEL_PATH": str(tmp_path / "none")})
    for words in (str(tmp_path / "var"), str(tmp_path / "none"), "python -m asr.model"):
        assert words in str(caught.value)


# -- whether it is whole


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    lay_out(tmp_path, {n: data for n, data in FILES.items() if n != name})
    wanted = "graph/HCLr.fst" if name == "graph/HCLG.fst" else name
    with pytest.raises(ModelError, match=f"lacks.*{wanted}"):
        model.verify(tmp_path)


def test_an_empty_file_counts_as_missing(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "am/final.mdl": b""})
    with pytest.raises(ModelError, match=r"lacks am/final\.mdl"):
        model.verify(tmp_path)


def test_old_flat_models_and_split_graphs_are_whole(tmp_path: Path) -> None:
    names = ("final.mdl", "mfcc.conf", "words.txt", "HCLr.fst", "Gr.fst", "disambig_tid.int")
    model.verify(lay_out(tmp_path, dict.fromkeys(names, b"x")))


@pytest.mark.parametrize(
    "conf, rate",
    [
        (b"--sample-frequency=8000\n", 8000),
        (b"# --sample-frequency=8000\n", 16000),
        (b"--use-energy=false  # no\n--sample-frequency=16000 # hertz\n", 16000),
        (b"", 16000),
    ],
)
def test_the_sample_rate_is_read_as_kaldi_reads_it(conf: bytes, rate: int, tmp_path: Path) -> None:
    assert model.sample_rate(lay_out(tmp_path, {**FILES, "conf/mfcc.conf": conf})) == rate


def test_a_rate_that_would_end_the_process_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "conf/mfcc.conf": b"--sample-frequency=44100\n"})
    with pytest.raises(ModelError, match="44100"):
        model.sample_rate(tmp_path)


def test_the_model_in_the_repository_is_whole_and_known_as_synthetic() -> None:
    model.verify(model.SYNTHETIC)
    assert model.SYNTHETIC == speech.MODEL
    assert model.is_synthetic(speech.MODEL)
    assert not model.is_synthetic(model.DEFAULT)
    assert model.sample_rate(speech.MODEL) == 8000


# -- how to get it


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body: bytes | None = getattr(self.server, "files").get(self.path)  # noqa: B009 - set below
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 10 * self.path.startswith("/short")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files() -> dict[str, bytes]:
    return {"/good.zip": GOOD}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as httpd:
        httpd.files = files  # type: ignore[attr-defined]
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def get(url: str, destination: Path, body: bytes = GOOD, **arguments: object) -> Path:
    return model.fetch(
        destination,
        url=url,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        **arguments,  # type: ignore[arg-type]
    )


def left_over(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def test_fetch_puts_a_whole_model_in_place_and_shows_progress(server: str, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    destination = tmp_path / "models" / "cn"
    show = lambda done, total: progress.append((done, total))  # noqa: E731
    assert get(f"{server}/good.zip", destination, progress=show) == destination
    model.verify(destination)
    assert progress[-1] == (len(GOOD), len(GOOD))
    assert left_over(tmp_path / "models") == [destination]


def test_fetch_does_nothing_when_the_model_is_there(tmp_path: Path) -> None:
    there = lay_out(tmp_path / "cn")
    assert get("http://127.0.0.1:1/none.zip", there) == there


def test_fetch_replaces_a_broken_model(server: str, tmp_path: Path) -> None:
    broken = lay_out(tmp_path / "cn", {"am/final.mdl": b"half"})
    get(f"{server}/good.zip", broken)
    assert (broken / "am" / "final.mdl").read_bytes() == b"network"


@pytest.mark.parametrize(
    "path, says",
    [("/absent.zip", "404"), ("/short.zip", "cut short"), ("/long.zip", "another file")],
)
def test_what_is_not_the_file_is_refused(
    server: str, files: dict[str, bytes], tmp_path: Path, path: str, says: str
) -> None:
    files["/short.zip"], files["/long.zip"] = GOOD[:-10], GOOD + b"x" * 200_000
    with pytest.raises(ModelError, match=says):
        get(f"{server}{path}", tmp_path / "models" / "cn")
    assert left_over(tmp_path / "models") == []


def test_a_wrong_hash_is_refused_and_the_old_model_stays(
    server: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    files["/other.zip"] = b"y" * len(GOOD)
    broken = lay_out(tmp_path / "cn", {"am/final.mdl": b"half"})
    with pytest.raises(ModelError, match="SHA-256"):
        get(f"{server}/other.zip", broken)
    assert (broken / "am" / "final.mdl").read_bytes() == b"half"
    assert left_over(tmp_path) == [broken]


@pytest.mark.parametrize(
    "content, says",
    [
        (archive({"../evil": b"x"}), "leads out"),
        (archive({"/etc/evil": b"x"}), "leads out"),
        (archive({"a/x": b"", "b/x": b""}), "one folder"),
        (archive({"a/x": b"x"}), "lacks"),
        (b"not a zip", "damaged"),
    ],
)
def test_an_archive_that_is_no_model_is_refused(
    server: str, files: dict[str, bytes], tmp_path: Path, content: bytes, says: str
) -> None:
    files["/odd.zip"] = content
    with pytest.raises(ModelError, match=says):
        get(f"{server}/odd.zip", tmp_path / "models" / "cn", content)
    assert left_over(tmp_path / "models") == []


def test_a_refused_connection_says_so_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/good.zip"
        with pytest.raises(ModelError, match=r"cannot reach.*VOSK_MODEL_PATH"):
            get(url, tmp_path / "cn")


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/good.zip"
        begin = time.monotonic()
        with pytest.raises(ModelError, match="cannot reach"):
            get(url, tmp_path / "cn", timeout=0.2)
        assert time.monotonic() - begin < 20  # without it the server would be waited for longer


def test_a_folder_that_cannot_be_written_is_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot write"):
        get(f"{server}/good.zip", tmp_path / "file" / "cn")
    shutil.rmtree(tmp_path)


def test_asking_for_help_downloads_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model, "fetch", lambda **_: pytest.fail("it downloads"))
    for asked in ("--help", "small"):
        with pytest.raises(SystemExit):
            model.main([asked])
    assert model.NAME in capsys.readouterr().out
