"""Coverage-guided fuzzing of everything pure that a stranger's datagram reaches, SIP and media.

``python -m bench.fuzz_sip [--seconds 600] [--json] [--findings FOLDER] [TARGET ...]``

Each target of `bench.fuzz_targets` and `bench.fuzz_media_targets` gets its share of the time in a
process of its own, where atheris (libFuzzer) mutates bytes towards code not yet reached; two run at
a time. It starts from RFC 4475's messages and one good example of each kind. A finding is an
exception, a broken promise, a datagram that takes over five seconds or half a gigabyte: its
traceback is printed, the bytes are left in the findings' folder, and the exit status is 1.

atheris is in ``requirements/dev.in`` where it has wheels (Linux on x86-64). Elsewhere it needs
clang to build. The same targets run for a short while in ``tests/telephony``: under hypothesis
each by itself, and under atheris all together (``sip/test_fuzz_targets.py``,
``media/test_fuzz_targets.py``).
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

AT_A_TIME = 2
SLOWEST_SECONDS = 5
MOST_MEGABYTES = 512
# libFuzzer asks for the most memory that its process ever had, and a process begins with what had
# the one that it came of: the shell's is small, ours may be beyond the limit.
_FORKED = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
LONGEST = {"message": 4096, "sdp": 2048, "digest": 1024}
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
_WORKER = "--worker"


@dataclass(frozen=True)
class Row:
    """What came of one target: executions, branches and features reached, inputs worth keeping."""

    target: str
    seconds: int
    executions: int
    coverage: int
    features: int
    corpus: int
    findings: int


def work(target: str, arguments: Sequence[str]) -> None:
    """Fuzz one target, in this process, until libFuzzer ends it."""
    import atheris  # noqa: PLC0415 - optional, and the imports below are its to instrument

    with atheris.instrument_imports(include=["telephony", "aiosipua"]):
        from bench.fuzz_everything import ANYTHING, TARGETS, fuzz_anything  # noqa: PLC0415

    logging.disable()
    chosen = fuzz_anything if target == ANYTHING else TARGETS[target]
    atheris.Setup([sys.argv[0], *arguments], chosen)
    atheris.Fuzz()


def fuzz(
    target: str, seconds: int, findings: Path, *, runs: int = -1, slowest: int = SLOWEST_SECONDS
) -> tuple[Row, str]:
    """Fuzz one target in a process of its own; return its figures and what it complained of.

    Args:
        target: of `bench.fuzz_everything`.
        seconds: at most.
        findings: where bytes are left that something was found by.
        runs: at most; -1: any number.
        slowest: seconds that one input may take.
    """
    from bench.fuzz_everything import seeds  # noqa: PLC0415 - see above

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(target)):
            (Path(corpus) / f"seed-{number:03}").write_bytes(seed)
        command = [
            *_FORKED,
            *(sys.executable, "-m", "bench.fuzz_sip", _WORKER, target),
            f"-max_total_time={seconds}",
            f"-runs={runs}",
            f"-max_len={LONGEST.get(target, 512)}",
            f"-timeout={slowest}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-artifact_prefix={findings}/{target.replace(' ', '-')}-",
            corpus,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    said = done.stdout + done.stderr
    statuses = _STATUS.findall(said)
    ended = _DONE.search(said)
    executions, coverage, features, kept = map(int, statuses[-1]) if statuses else (0, 0, 0, 0)
    failed = done.returncode != 0
    row = Row(
        target=target,
        seconds=int(ended[2]) if ended else seconds,
        executions=int(ended[1]) if ended else executions,
        coverage=coverage,
        features=features,
        corpus=kept,
        findings=int(failed),
    )
    return row, said[-4000:] if failed else ""


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    print(f"{'target':<14}{'seconds':>8}{'executions':>12}{'coverage':>10}", end="")
    print(f"{'features':>10}{'corpus':>8}{'findings':>10}")
    for row in rows:
        print(f"{row.target:<14}{row.seconds:>8}{row.executions:>12,}{row.coverage:>10,}", end="")
        print(f"{row.features:>10,}{row.corpus:>8,}{row.findings:>10}")
    total = sum(row.executions for row in rows)
    print(f"{total:,} executions, {sum(row.findings for row in rows)} findings")


def main() -> int:
    """Run it from the command line."""
    if sys.argv[1:2] == [_WORKER]:
        work(sys.argv[2], sys.argv[3:])
        return 0
    from bench.fuzz_everything import TARGETS  # noqa: PLC0415 - not before the worker has

    known = list(TARGETS)
    parser = argparse.ArgumentParser(description="Fuzz the pure parts of SIP and media.")
    parser.add_argument("targets", nargs="*", default=[], help=", ".join(known))
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--findings", type=Path, default=Path("var/fuzz"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    targets = options.targets or known
    if unknown := [name for name in targets if name not in known]:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(known)}")
    options.findings.mkdir(parents=True, exist_ok=True)
    share = max(1, options.seconds * min(AT_A_TIME, len(targets)) // len(targets))
    run = partial(fuzz, seconds=share, findings=options.findings)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(run, targets))
    rows = [row for row, _ in results]
    for row, complaint in results:
        if complaint:
            print(f"--- {row.target}\n{complaint}", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)
    return int(any(row.findings for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
