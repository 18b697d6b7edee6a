"""Codecs as session descriptions name them: those that we know, and what goes along with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from aiosipua.sdp import Codec

CodecName = Literal["PCMA", "PCMU", "G722", "opus"]

CLOCK_RATE: Final = 8000
EVENTS: Final = "telephone-event"  # RFC 4733
NOISE: Final = "CN"  # RFC 3389
_EVENTS_FMTP: Final = "0-15"
_EVENT_NUMBERS: Final = {CLOCK_RATE: 101, 48000: 102}
"""Payload types under which we offer key presses, by clock."""
_HIGHEST_PAYLOAD_TYPE: Final = 127


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A codec under a payload type.

    Attributes:
        name: as in ``a=rtpmap``.
        payload_type: 0-127.
        clock_rate: of its RTP timestamps, Hz (G.722 says 8000 and means 16000: RFC 3551 §4.5.2).
        channels: 1 or 2; 2 is written into ``a=rtpmap``.
        parameters: ``a=fmtp``, as written; "" for none. Two formats are equal without them.
    """

    name: CodecName
    payload_type: int
    clock_rate: int = CLOCK_RATE
    channels: int = 1
    parameters: str = field(default="", compare=False)

    def to_lines(self) -> list[str]:
        """Write ``a=rtpmap`` and, where there are parameters, ``a=fmtp``."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        lines = [f"a=rtpmap:{self.payload_type} {self.name}/{self.clock_rate}{channels}"]
        if self.parameters:
            lines.append(f"a=fmtp:{self.payload_type} {self.parameters}")
        return lines


_OPUS_PARAMETERS: Final = "useinbandfec=1"
"""RFC 7587 §6.1: what we like to receive. All else is left at what the RFC takes for granted, since
a relay passes on whatever the other side can hear."""

OURS: Final[Mapping[str, AudioFormat]] = {
    format_.name: format_
    for format_ in (
        AudioFormat("PCMA", 8),
        AudioFormat("PCMU", 0),
        AudioFormat("G722", 9),
        # RFC 7587 §7: "The media subtype ("opus") … clock rate 48000 … channels 2", always
        AudioFormat("opus", 107, 48000, 2, _OPUS_PARAMETERS),
    )
}
"""What we can take part in, under the numbers that we offer it with, by name."""

_BY_CAPITALS: Final = {name.upper(): format_ for name, format_ in OURS.items()}


def read_format(codec: Codec) -> AudioFormat | None:
    """Return a codec as we know it, None when we know none by its name, clock rate and channels."""
    known = _BY_CAPITALS.get(codec.encoding_name.upper())
    if known is None or not _is_like(codec, known.clock_rate, known.channels):
        return None
    return AudioFormat(
        known.name, codec.payload_type, known.clock_rate, known.channels, codec.fmtp or ""
    )


def read_events(codecs: Iterable[Codec]) -> tuple[tuple[int, int], ...]:
    """Return clock and payload type of each telephone-event that we could send or hear."""
    return tuple(
        (clock, codec.payload_type)
        for codec in codecs
        if codec.encoding_name.lower() == EVENTS
        for clock in _EVENT_NUMBERS
        if _is_like(codec, clock, 1)
    )


def read_noise(codecs: Iterable[Codec]) -> int | None:
    """Return the payload type of comfort noise."""
    types = (
        codec.payload_type
        for codec in codecs
        if codec.encoding_name.upper() == NOISE and _is_like(codec, CLOCK_RATE, 1)
    )
    return next(types, None)


def events_beside(
    format_: AudioFormat, events: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Return which telephone-event goes with a codec; none, or one.

    RFC 4733 §2.1 wants one of the codec's own clock. Phones that have none beside Opus count their
    keys by 8000, and mean it.
    """
    by_clock = dict(reversed(events))
    for clock in (format_.clock_rate, CLOCK_RATE):
        if clock in by_clock:
            return ((clock, by_clock[clock]),)
    return ()


def events_offered(
    formats: Iterable[AudioFormat], telephone_event: int | None
) -> tuple[tuple[int, int], ...]:
    """Return clock and payload type of the telephone-events to offer beside some codecs.

    ``telephone_event`` is the number for those that count by 8000; None: none is offered.
    """
    if telephone_event is None:
        return ()
    numbers = {**_EVENT_NUMBERS, CLOCK_RATE: telephone_event}
    return tuple((clock, numbers[clock]) for clock in dict.fromkeys(f.clock_rate for f in formats))


def event_lines(events: Iterable[tuple[int, int]]) -> list[str]:
    """Write the attributes of telephone-events."""
    return [
        line
        for clock, number in events
        for line in (
            f"a=rtpmap:{number} {EVENTS}/{clock}",
            f"a=fmtp:{number} {_EVENTS_FMTP}",
        )
    ]


def answered(format_: AudioFormat) -> AudioFormat:
    """Return an offered format as we answer it: with what *we* like to receive."""
    return AudioFormat(
        format_.name,
        format_.payload_type,
        format_.clock_rate,
        format_.channels,
        OURS[format_.name].parameters,
    )


def ordered(names: Iterable[str], *, first: Sequence[str] = ()) -> tuple[AudioFormat, ...]:
    """Return formats to offer: of ``names`` those in ``first``, in its order, then G.711.

    What the other side of a call cannot do is not offered, so that nobody chooses it and all has to
    be transcoded; except G.711, which everybody can. Without ``first`` all are offered.
    """
    known = [name for name in names if name in OURS]
    if not first:
        return tuple(OURS[name] for name in known)
    shared = [name for name in first if name in known]
    plain = [name for name in known if name in {"PCMA", "PCMU"}]
    return tuple(OURS[name] for name in dict.fromkeys((*shared, *plain)))


def _is_like(codec: Codec, clock_rate: int, channels: int) -> bool:
    valid = 0 <= codec.payload_type <= _HIGHEST_PAYLOAD_TYPE
    return valid and (codec.clock_rate, codec.channels or 1) == (clock_rate, channels)
