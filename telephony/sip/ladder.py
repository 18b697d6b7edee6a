"""Drawing a call's messages as a ladder: the peers side by side, time going down. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Self

_CHINA: Final = timezone(timedelta(hours=8))
_COLUMN: Final = 44
_TIME: Final = 13
_US: Final = "hotline"
_CSEQ: Final = re.compile(r"(?im)^(?:CSeq)\s*:\s*(\d+)\s+(\S+)")
_CALL_ID: Final = re.compile(r"(?im)^(?:Call-ID|i)\s*:\s*(\S+)")
_SDP: Final = re.compile(r"(?m)^m=\S+ (\d+)")
_DIRECTION: Final = re.compile(r"(?m)^a=(sendonly|recvonly|inactive)")
_LONGEST_LINE: Final = 160
_LONGEST_ID: Final = 128


@dataclass(frozen=True, slots=True)
class Rung:
    """One message, as short as it can be kept.

    Attributes:
        at: Unix seconds.
        inbound: whether it came to us.
        peer: ``192.0.2.7:5060/UDP``.
        line: its start line.
        cseq: ``1 INVITE``.
        call_id: the dialog's.
        sdp: what is said of media: "", ``SDP``, or ``SDP sendonly``.
    """

    at: float
    inbound: bool
    peer: str
    line: str
    cseq: str
    call_id: str
    sdp: str = ""

    @classmethod
    def read(cls, data: bytes, *, at: float, inbound: bool, peer: str) -> Self:
        """Read a message off the wire; what it lacks is empty. Never raises."""
        text = data.decode("utf-8", errors="replace").lstrip("\r\n")
        head, _, body = text.partition("\r\n\r\n")
        cseq, call_id = _CSEQ.search(head), _CALL_ID.search(head)
        sdp = ""
        if body and _SDP.search(body):
            direction = _DIRECTION.search(body)
            sdp = f"SDP {direction[1]}" if direction else "SDP"
        return cls(
            at,
            inbound,
            peer,
            head.partition("\r\n")[0][:_LONGEST_LINE],
            f"{cseq[1]} {cseq[2]}" if cseq else "",
            call_id[1][:_LONGEST_ID] if call_id else "",
            sdp,
        )

    @property
    def label(self) -> str:
        """What stands at the arrow: ``INVITE (SDP)``, ``200 OK (INVITE)``."""
        method = self.cseq.rpartition(" ")[2]
        first, _, rest = self.line.partition(" ")
        if first.upper().startswith("SIP/"):
            words = f"{rest} ({method})" if method else rest
        else:
            words = first
        return f"{words} [{self.sdp}]" if self.sdp else words

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "at": self.at,
            "inbound": self.inbound,
            "peer": self.peer,
            "line": self.line,
            "cseq": self.cseq,
            "call_id": self.call_id,
            "sdp": self.sdp,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what ``to_dict`` gave."""
        return cls(**values)


def draw(rungs: Sequence[Rung]) -> str:
    """Return the ladder as text: a column for each peer, ours in the middle of the first two."""
    if not rungs:
        return ""
    peers = list(dict.fromkeys(rung.peer for rung in rungs))
    columns = [peers[0], _US, *peers[1:]]
    lines = [_names(columns)]
    day = None
    for rung in rungs:
        moment = datetime.fromtimestamp(rung.at, UTC).astimezone(_CHINA)
        if moment.date() != day:
            day = moment.date()
            lines.append(f"{day:%Y-%m-%d}")
        us, them = 1, columns.index(rung.peer, 2) if rung.peer != peers[0] else 0
        source, target = (them, us) if rung.inbound else (us, them)
        when = f"{moment:%H:%M:%S.%f}"[: _TIME - 1]
        lines.append(f"{when:<{_TIME}}{_arrow(len(columns), source, target, rung.label)}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _names(columns: Sequence[str]) -> str:
    return " " * _TIME + "".join(f"{name:<{_COLUMN}}" for name in columns)


def _arrow(count: int, source: int, target: int, label: str) -> str:
    left, right = min(source, target), max(source, target)
    width = (right - left) * _COLUMN - 1
    words = f" {label} "[: width - 4]
    shaft = words.center(width - 1, "-")
    arrow = f"{shaft}>" if source < target else f"<{shaft}"
    cells = []
    column = 0
    while column < count:
        if column == left:
            cells.append("|" + arrow)
            column = right
        else:
            cells.append("|" + " " * (_COLUMN - 1))
            column += 1
    return "".join(cells)
