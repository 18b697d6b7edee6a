"""Loads the model once and forks workers that share its memory: ``python -m asr.pool.zygote``.

A process of its own with a single thread, as fork(2) copies only the calling thread, and whatever
lock another one held stays locked for ever in the child: so neither Kaldi, which is given no
threads before the fork, nor the recogniser process with its event loop is ever forked while it
works.

Through the socket it was given it says ``ready`` or ``error <reason>`` after loading; each ``fork``
message brings the new worker's socket with it and is answered with the worker's process id.
"""

import argparse
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

from asr.pool import worker
from asr.ports import RecognizerError
from asr.vosk_decoder import VoskModel

_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """Ask the kernel to end us when our parent dies, be it by kill -9; end if it has already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        worker.leave()


def _fork(
    model: VoskModel, channel: socket.socket, control: socket.socket, options: argparse.Namespace
) -> int:
    """Make a worker on this socket; return its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _die_with(parent)
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker.serve(model, channel, threads=options.threads, recycle=options.recycle)
        worker.leave()
    return pid


def _serve(model: VoskModel, control: socket.socket, options: argparse.Namespace) -> None:
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 1)
        if not message:
            return
        for descriptor in descriptors:
            with socket.socket(fileno=descriptor) as channel:
                control.send(str(_fork(model, channel, control, options)).encode())


def main() -> None:
    """Load, then fork at command until the socket closes."""
    parser = argparse.ArgumentParser(prog="python -m asr.pool.zygote", description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recycle", type=float, default=600.0)
    parser.add_argument("--phrases", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    _die_with(options.parent)
    # Ctrl-C and the node's SIGTERM go to the whole group; it is the recogniser that ends us, by
    # closing the socket once the last words are out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: leave no zombies
    with socket.socket(fileno=options.fd) as control:
        phrases = options.phrases.read_text(encoding="utf-8") if options.phrases else ""
        try:
            model = VoskModel.load(options.model, grammar=phrases.split("\n") if phrases else ())
        except RecognizerError as error:
            control.send(b"error " + str(error).encode())
            return
        control.send(b"ready")
        _serve(model, control, options)


if __name__ == "__main__":
    main()
