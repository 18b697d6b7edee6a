"""``python -m telephony.media``: the media process."""

import argparse
import ipaddress
import logging
import os
import resource
import sys
from pathlib import Path

import structlog
import uvloop

from telephony.media.engines import ENGINES, EngineMissing, make_path
from telephony.media.ports import PortPool
from telephony.media.scheduling import REALTIME
from telephony.media.server import serve

_LEVELS = ("debug", "info", "warning", "error")


def _port_pool(text: str) -> PortPool:
    """Read ``first-last``."""
    first, _, last = text.partition("-")
    try:
        return PortPool(int(first), int(last))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; e.g. 20000-29999") from error


def _ip_address(text: str) -> str:
    """Check that an address is one, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def main() -> int:
    """Run until the control connection closes."""
    parser = argparse.ArgumentParser(prog="telephony.media", description="Relay RTP for one node.")
    parser.add_argument("--socket", type=Path, required=True, help="control socket to listen on")
    parser.add_argument("--host", type=_ip_address, required=True, help="address for RTP")
    parser.add_argument("--ports", type=_port_pool, required=True, help="UDP ports, first-last")
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="what carries packets")
    parser.add_argument("--core", type=int, help="run on this core only")
    parser.add_argument("--realtime", choices=REALTIME, default="never", help="packets first")
    parser.add_argument("--log-level", choices=_LEVELS, default="info")
    arguments = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, arguments.log_level.upper())
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Two sockets a leg: the usual 1,024 files are 250 calls.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if arguments.core is not None:
        try:
            os.sched_setaffinity(0, {arguments.core})
        except OSError as error:
            parser.exit(1, f"cannot run on core {arguments.core}: {error}\n")
    try:
        uvloop.run(
            serve(
                socket_path=arguments.socket,
                host=arguments.host,
                ports=arguments.ports,
                make_path=make_path(arguments.engine, realtime=arguments.realtime),
            )
        )
    except EngineMissing as error:
        parser.exit(1, f"{error}\n")
    except OSError as error:
        parser.exit(1, f"cannot listen on {arguments.socket}: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
