"""Keys of recordings from the settings, and recordings opened at the command line."""

from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.errors import ConfigError
from config.settings import load
from hotline.cli import app
from hotline.recording_keys import seal_keys
from telephony.media.recording import wav_header
from telephony.media.sealed import SealedFile, SealKeys

KEY = b"k" * 32
TEXT = b64encode(KEY).decode()


def test_they_come_from_a_file_or_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{b64encode(bytes(32)).decode()}\n{TEXT}\n")
    header = SealKeys([KEY]).new_seal().header
    for environment in (
        {"HOTLINE_RECORDING__ENCRYPTION_KEY": TEXT},
        {"HOTLINE_RECORDING__ENCRYPTION_KEY_FILE": str(file)},
    ):
        keys = seal_keys(load(None, environment))
        assert keys is not None
        keys.seal_of(header)
    assert seal_keys(load(None, {})) is None


@pytest.mark.parametrize("text", ["", "no base 64!", b64encode(b"short").decode()])
def test_anything_else_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"encryption_key_file: wanted keys of 32 octets"):
        seal_keys(load(None, {"HOTLINE_RECORDING__ENCRYPTION_KEY_FILE": str(file)}))
    with pytest.raises(ConfigError, match=r"a file of keys \(.*No such file"):
        seal_keys(load(None, {"HOTLINE_RECORDING__ENCRYPTION_KEY_FILE": str(tmp_path / "no")}))


def test_a_recording_is_decrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_RECORDING__ENCRYPTION_KEY", TEXT)
    path = tmp_path / "call.sealed"
    file = SealedFile(path, SealKeys([KEY]).new_seal())
    file.append(b"\1\0\2\0" * 100)
    file.close()
    run = CliRunner().invoke(app, ["recording", "decrypt", str(path)])
    assert run.exit_code == 0, run.output
    made = tmp_path / "call.wav"
    assert made.read_bytes() == wav_header(400) + b"\1\0\2\0" * 100
    assert made.stat().st_mode & 0o077 == 0
    # One that is there is never overwritten.
    assert CliRunner().invoke(app, ["recording", "decrypt", str(path)]).exit_code == 1


@pytest.mark.parametrize("sealed", [False, True])
def test_its_sides_are_parted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sealed: bool,  # noqa: FBT001 - a parameter
) -> None:
    path = tmp_path / ("call.sealed" if sealed else "call.wav")
    samples = b"\1\0\2\0" * 100
    if sealed:
        monkeypatch.setenv("HOTLINE_RECORDING__ENCRYPTION_KEY", TEXT)
        file = SealedFile(path, SealKeys([KEY]).new_seal())
        file.append(samples)
        file.close()
    else:
        path.write_bytes(wav_header(400) + samples)
    run = CliRunner().invoke(app, ["recording", "legs", str(path)])
    assert run.exit_code == 0, run.output
    for side, sample in (("caller", b"\1\0"), ("agent", b"\2\0")):
        made = tmp_path / f"call-{side}.wav"
        assert made.read_bytes() == wav_header(200, channels=1) + sample * 100
        assert made.stat().st_mode & 0o077 == 0
    assert CliRunner().invoke(app, ["recording", "legs", str(path)]).exit_code == 1


def test_one_that_was_altered_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_RECORDING__ENCRYPTION_KEY", TEXT)
    path = tmp_path / "call.sealed"
    file = SealedFile(path, SealKeys([KEY]).new_seal())
    file.append(b"\1\0\2\0" * 100)
    file.close()
    octets = bytearray(path.read_bytes())
    octets[100] ^= 1
    path.write_bytes(octets)
    assert CliRunner().invoke(app, ["recording", "decrypt", str(path)]).exit_code == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.sealed"]
