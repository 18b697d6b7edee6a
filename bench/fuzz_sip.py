"""Coverage-guided fuzzing of everything pure that a stranger's datagram reaches, SIP and media.

``python -m bench.fuzz_sip [--seconds 600] [--json] [--findings FOLDER] [TARGET ...]``

Each target of `bench.fuzz_targets` and `bench.fuzz_media_targets` gets its share of the time in a
process of its own, where atheris (libFuzzer) mutates bytes towards code not yet reached; two run at
a time. The code is instrumented once, before the first, which takes longer than importing it does;
each target tells as soon as it is done, and the table comes in the end. It starts from RFC 4475's
messages and one good example of each kind. A finding is an exception, a broken promise, a datagram
that takes over five seconds or half a gigabyte: its traceback is printed, the bytes are left in the
findings' folder, and the exit status is 1.

atheris is in ``requirements/dev.in`` where it has wheels (Linux on x86-64). Elsewhere it needs
clang to build. The same targets run for a short while in ``tests/telephony``: under hypothesis
each by itself, and under atheris all together (``sip/test_fuzz_targets.py``,
``media/test_fuzz_targets.py``).
"""

import argparse
import io
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Job:
    """One target's run: libFuzzer's arguments, and where what it says and its end are written."""

    target: str
    arguments: tuple[str, ...]
    said: str

    @property
    def status(self) -> Path:
        """The file that the exit status is written to."""
        return Path(f"{self.said}.status")


def work(jobs: Sequence[Job]) -> None:
    """Do jobs, a few at a time, each in a fork of this process, which has instrumented the code.

    Each tells by a line that it is done: its number.
    """
    import atheris  # noqa: PLC0415 - optional, and the imports below are its to instrument

    modules = io.StringIO()  # their names
    with redirect_stderr(modules), atheris.instrument_imports(include=["telephony", "aiosipua"]):
        from bench.fuzz_everything import ANYTHING, TARGETS, fuzz_anything  # noqa: PLC0415

    logging.disable()
    waiting, running = list(enumerate(jobs)), dict[int, int]()
    while waiting or running:
        while waiting and len(running) < AT_A_TIME:
            number, job = waiting.pop(0)
            child = os.fork()
            if child == 0:
                said = os.open(job.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(said, sys.stdout.fileno())
                os.dup2(said, sys.stderr.fileno())
                chosen = fuzz_anything if job.target == ANYTHING else TARGETS[job.target]
                atheris.Setup([sys.argv[0], *job.arguments], chosen)
                atheris.Fuzz()
                os._exit(0)
            running[child] = number
        child, status = os.wait()
        number = running.pop(child)
        jobs[number].status.write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")
        print(number, flush=True)


def fuzz(
    targets: Sequence[str],
    seconds: int,
    findings: Path,
    *,
    runs: int = -1,
    slowest: int = SLOWEST_SECONDS,
) -> Iterator[tuple[Row, str]]:
    """Fuzz targets, each in a process of its own; give each one's figures and its complaint.

    Args:
        targets: of `bench.fuzz_everything`.
        seconds: for each, at most.
        findings: where bytes are left that something was found by.
        runs: of each, at most; -1: any number.
        slowest: seconds that one input may take.

    Raises:
        RuntimeError: the fuzzer could not begin; why is on stderr.
    """
    with tempfile.TemporaryDirectory() as name:
        jobs = [
            _job(target, seconds, findings, Path(name), runs=runs, slowest=slowest)
            for target in targets
        ]
        told = json.dumps([asdict(job) for job in jobs])
        worker = subprocess.Popen(
            [*_FORKED, sys.executable, "-m", "bench.fuzz_sip", _WORKER, told],
            stdout=subprocess.PIPE,
            text=True,
        )
        with worker:
            for line in worker.stdout or ():
                yield _result(jobs[int(line)], seconds)
        if worker.returncode != 0:
            raise RuntimeError(f"the fuzzer ended with {worker.returncode}")


def _job(
    target: str, seconds: int, findings: Path, folder: Path, *, runs: int, slowest: int
) -> Job:
    """Prepare a target's run: what it begins with is written to a folder of its own."""
    from bench.fuzz_everything import seeds  # noqa: PLC0415 - see `work`

    plain = target.replace(" ", "-")
    corpus = folder / plain
    corpus.mkdir()
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    arguments = (
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-max_len={LONGEST.get(target, 512)}",
        f"-timeout={slowest}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-artifact_prefix={findings}/{plain}-",
        str(corpus),
    )
    return Job(target, arguments, f"{corpus}.said")


def _result(job: Job, seconds: int) -> tuple[Row, str]:
    """Return a finished job's figures, and its last words if it found something."""
    said = Path(job.said).read_text(encoding="utf-8", errors="replace")
    statuses = _STATUS.findall(said)
    ended = _DONE.search(said)
    executions, coverage, features, kept = map(int, statuses[-1]) if statuses else (0, 0, 0, 0)
    failed = job.status.read_text(encoding="ascii") != "0"
    row = Row(
        target=job.target,
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
        work([Job(**job) for job in json.loads(sys.argv[2])])
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
    rows = []
    for row, complaint in fuzz(targets, share, options.findings):
        rows.append(row)
        print(
            f"{row.target}: {row.executions:,} executions, {row.findings} findings",
            file=sys.stderr,
            flush=True,
        )
        if complaint:
            print(f"--- {row.target}\n{complaint}", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)
    return int(any(row.findings for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
