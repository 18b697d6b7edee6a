import subprocess
import sys
from pathlib import Path

from tickets.lexicon import boundaries, cut


def test_words_and_their_kinds() -> None:
    assert [(word.text, word.kind[0]) for word in cut("我在医院")] == [
        ("我", "r"),
        ("在", "p"),
        ("医院", "n"),
    ]
    assert boundaries("我在医院") == {1, 2, 4}


def test_loading_is_quiet_and_leaves_no_cache_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import tickets; tickets.warm_up()"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
