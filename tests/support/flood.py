"""A stranger who sends as fast as he is told to: malformed and valid-looking requests, mixed.

    python -m tests.support.flood --target 127.0.0.1:5060 --rate 5000 --seconds 10

A process of its own, so that sending it costs neither the node nor the test. Prints how many
datagrams it has sent.
"""

import argparse
import random
import socket
import time
from collections.abc import Sequence

STRANGER = "127.0.0.66"
_SLICE = 0.005  # seconds; a timer cannot tell apart what is less


def malformed(rng: random.Random, count: int) -> list[bytes]:
    """Return datagrams that no parser can read, of every kind."""
    start = b"INVITE sip:12345@127.0.0.1 SIP/2.0\r\n"
    kinds = (
        lambda: rng.randbytes(rng.randrange(20, 1200)),
        lambda: start + b"Via: " + rng.randbytes(60) + b"\r\n\r\n",
        lambda: start + b"From: <sip:\r\n" * rng.randrange(1, 50) + b"\r\n",
        lambda: b"SIP/2.0 999 " + rng.randbytes(100),
        lambda: start + b"CSeq: 99999999999 INVITE\r\nContent-Length: -1\r\n\r\n",
    )
    return [rng.choice(kinds)() for _ in range(count)]


def valid_looking(rng: random.Random, count: int, source: tuple[str, int]) -> list[bytes]:
    """Return requests that any server would take for real ones, each with a branch of its own."""
    return [
        _request(rng, rng.choice(("OPTIONS", "INVITE", "REGISTER", "BYE", "CANCEL")), source)
        for _ in range(count)
    ]


def _request(rng: random.Random, method: str, source: tuple[str, int]) -> bytes:
    unique = rng.randbytes(8).hex()
    user = rng.randrange(1000, 9999)
    lines = [
        f"{method} sip:12345@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bK{unique};rport",
        f"From: <sip:{user}@127.0.0.1>;tag={unique}",
        "To: <sip:12345@127.0.0.1>",
        f"Call-ID: {unique}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:{user}@{source[0]}:{source[1]}>",
        "Max-Forwards: 70",
        "User-Agent: Yealink SIP-T46S",
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def flood(target: tuple[str, int], source: str, *, rate: int, seconds: float) -> int:
    """Send ``rate`` datagrams of each kind a second; return how many have been sent."""
    rng = random.Random(12345)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((source, 0))
        wire.settimeout(0)
        own = wire.getsockname()
        datagrams = malformed(rng, 2000) + valid_looking(rng, 2000, own)
        rng.shuffle(datagrams)
        sent, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * 2 * rate:
                try:
                    wire.sendto(datagrams[sent % len(datagrams)], target)
                except BlockingIOError:
                    break
                sent += 1
            time.sleep(_SLICE)
    return sent


def main(arguments: Sequence[str] | None = None) -> None:
    """Flood, and say how much."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--source", default=STRANGER)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(arguments)
    host, _, port = options.target.rpartition(":")
    print(flood((host, int(port)), options.source, rate=options.rate, seconds=options.seconds))  # noqa: T201


if __name__ == "__main__":
    main()
