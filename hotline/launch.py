"""Becomes another program that the kernel ends when the process that started it dies.

Run by path, ``python -I -S launch.py PARENT_PID PROGRAM ARGUMENT...``, so that nothing of ours is
imported. It is a program of its own because the other way to do this, Python code between fork and
exec, can deadlock in a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent dies. It survives execve(2)."""

NOT_FOUND = 127
"""What a shell returns for a program that it cannot start."""


def main(parent: int, argv: list[str]) -> int:
    """Bind our life to the parent's and become the program; return only if that is impossible."""
    if sys.platform == "linux":
        # SIGTERM, not SIGKILL: the media process closes its recordings before it goes.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked to tell us
        return NOT_FOUND
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the program is the purpose
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        return NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
