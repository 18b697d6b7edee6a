"""``python -m tests.support.native_fuzz LIBRARY SEED ROUNDS``: bad packets for the native path.

Runs in a process of its own with the address sanitiser in it, which ends it at the first access
that is wrong. Sessions of all kinds hear each other while their rows change; what comes in is good
packets, mutated ones and noise.
"""

import contextlib
import random
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from telephony.media.codecs import COMFORT_NOISE, PCMA, PCMU, CodecSpec
from telephony.media.native.path import NativePath
from telephony.media.path import Description, Source, Watch

EVENT, NOISE = 101, 13
WIDE = CodecSpec("wide", 16000, PCMA.decoder, PCMA.encoder)
LENGTHS = (0, 1, 11, 12, 13, 16, 80, 160, 172, 240, 960, 961, 1400, 2048, 4000)


class Echo:
    """An edge that lets everything through, some of it twice."""

    def incoming(self, datagram: bytes, source: Source, now: float) -> Sequence[bytes]:  # noqa: ARG002
        return (datagram, datagram[: len(datagram) // 2])

    def outgoing(self, packet: bytes, now: float) -> bytes | None:  # noqa: ARG002
        return packet if len(packet) % 3 else None


class Fuzzer:
    """A path with a few sessions, and a phone for each."""

    def __init__(self, library: Path, rng: random.Random) -> None:
        self.rng = rng
        self.path = NativePath(library, lambda _: None)
        self.now = 0.0
        self.sequence = 0
        self.sessions: dict[int, tuple[str, int]] = {}
        self.homes: dict[tuple[str, int], socket.socket] = {}  # who a session's peer is
        self.phones = [self._socket() for _ in range(6)]
        self.recordings: list[int] = []
        for _ in self.phones:
            self.open()

    @staticmethod
    def _socket() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.settimeout(0)
        return made

    def open(self) -> None:
        rtp = self._socket()
        address = rtp.getsockname()
        session = self.path.open(rtp)
        self.sessions[session] = address
        self.homes[address] = self.rng.choice(self.phones)
        self.describe(session)

    def describe(self, session: int) -> None:
        rng = self.rng
        codec = rng.choice((PCMA, PCMU, WIDE))
        phone = self.homes[self.sessions[session]]
        if rng.random() < 0.1:
            phone = rng.choice(self.phones)
        self.path.describe(
            session,
            Description(
                rng.choice((phone.getsockname(), None)),
                {PCMA: 8, PCMU: 0, WIDE: 96}[codec],
                codec,
                rng.choice((None, EVENT)),
                {8: PCMA, 0: PCMU, 96: WIDE, EVENT: None, NOISE: COMFORT_NOISE},
                frame=rng.choice((80, 160, 240, 480, 960)),
            ),
        )

    def packet(self) -> bytes:
        """Return a datagram: often good, often almost, sometimes nothing of the kind."""
        rng = self.rng
        if rng.random() < 0.1:
            return rng.randbytes(rng.choice(LENGTHS))
        self.sequence += rng.choice((1, 1, 1, 1, 0, -1, 2, 5, 3000, 30000))
        stamp = self.sequence * 160 + rng.choice((0, 0, 0, 1, -160, 80000, 2**31))
        kind = rng.choice((8, 8, 8, 0, 96, EVENT, NOISE, 72))
        data = bytearray(
            bytes((0x80, kind | rng.choice((0, 0x80))))
            + (self.sequence & 0xFFFF).to_bytes(2)
            + (stamp & 0xFFFFFFFF).to_bytes(4)
            + rng.choice((1, 1, 1, 2)).to_bytes(4)
            + rng.randbytes(4 if kind == EVENT else rng.choice((0, 80, 160, 160, 160, 240, 1500)))
        )
        if rng.random() < 0.3:
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data) + 1)))])

    def change(self) -> None:  # noqa: C901 - a dozen things that calls do
        """Do something that a call might do."""
        rng, path = self.rng, self.path
        one = rng.choice(list(self.sessions))
        match rng.randrange(12):
            case 0:
                path.close_session(one)
                del self.sessions[one]
                self.open()
            case 1:
                self.describe(one)
            case 2 | 3 | 4:
                sources = rng.sample(list(self.sessions), rng.randrange(4))
                path.hear({one: {source: rng.choice((1.0, 0.5, 4.0, 0.0)) for source in sources}})
            case 5:
                clip = np.full(160 * rng.randrange(1, 5), 20000, np.int16)
                player = path.play([clip], loop=rng.random() < 0.3)
                path.hear({one: {player: 1.0}})
                if rng.random() < 0.5:
                    path.stop_play(player)
            case 6:
                path.send_keys(one, "".join(rng.choices("0123456789*#ABCD", k=rng.randrange(70))))
            case 7:
                path.watch(one, Watch(0.1, rng.choice((None, 0.1)), inband_keys=rng.random() < 0.5))
            case 8:
                to = rng.choice((None, self.phones[0].getsockname()))
                path.fork(one, to, packets=rng.randrange(1, 8))
            case 9:
                sides = rng.sample(list(self.sessions), 4)
                self.recordings.append(path.record(lambda _: None, left=sides[:2], right=sides[2:]))
            case 10:
                for recording in self.recordings[4:]:
                    path.stop_record(recording)
                del self.recordings[4:]
            case _:
                path.set_edge(one, rng.choice((None, None, Echo())))

    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            for _ in range(self.rng.randrange(8)):
                to = self.rng.choice(list(self.sessions.values()))
                phone = self.homes[to]
                if self.rng.random() < 0.05:
                    phone = self.rng.choice(self.phones)
                with contextlib.suppress(OSError):
                    phone.sendto(self.packet(), to)
            if self.rng.random() < 0.3:
                self.change()
            self.now += self.rng.choice((0.0, 0.005, 0.02, 0.02, 0.02, 0.02, 0.3))
            self.path.advance(self.now)
            for phone in self.phones:
                with contextlib.suppress(BlockingIOError):
                    while phone.recv(4096):
                        pass
        self.path.close()


def main() -> None:
    """Run."""
    library, seed, rounds = sys.argv[1:]
    Fuzzer(Path(library), random.Random(int(seed))).run(int(rounds))
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
