"""The settings of speech and its recordings."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.section import Section
from config.values import Numbers, OptionalPath, OptionalText, Port, Text, empty_is_none


class MediaSettings(Section):
    """Speech (RTP)."""

    host: Text
    """Address for RTP."""
    port_first: Port
    """First of the UDP ports for RTP."""
    port_last: Port
    """Last of them."""
    advertised_host: OptionalText
    """The address we give ourselves in session descriptions; None: as ``sip.advertised_host``."""
    secure_phones: bool
    """Whether agents' phones that registered over TLS are called with SRTP."""
    dtls_phones: Numbers
    """Agents whose phones are called with SRTP that has its keys by DTLS (RFC 5763)."""
    engine: Literal["auto", "native", "python"]
    """What carries the packets; auto: the native one where set-up has built it."""
    processes: Annotated[int, Field(ge=0, le=64)]
    """How many processes carry speech; 0: one for each two cores."""
    pin_cores: bool
    """Whether each of them keeps to a core of its own."""
    realtime: bool | Literal["auto"]
    """Whether packets go before all that is not in real time, where the system permits it; auto:
    and where that harms nobody."""
    codecs: Annotated[tuple[Literal["PCMA", "PCMU", "G722", "opus"], ...], Field(min_length=1)]
    """What calls may be coded with, our favourite first."""
    dead_leg_seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
    """Who sends neither RTP nor RTCP for so long is hung up; 0: nobody is."""

    @model_validator(mode="after")
    def _room_for_a_call(self) -> Self:
        # A call has two legs, a leg has an RTP port and the RTCP port above it.
        if self.port_last - self.port_first < 3:  # noqa: PLR2004 - two legs' ports, see above
            raise ValueError("port_last at least 3 above port_first")
        pairs = (self.port_last + 1 - (self.port_first + self.port_first % 2)) // 2
        if pairs // 2 < self.processes:
            raise ValueError("two pairs of ports for each of media.processes")
        return self


class RecordingSettings(Section):
    """Recordings of calls."""

    enabled: bool
    """Whether calls are recorded."""
    directory: OptionalPath
    """Where; None: ``recordings`` in the data directory."""
    encryption_key_file: OptionalPath
    """A file with the keys that recordings are sealed with; None: they are WAV files."""
    encryption_key: Annotated[SecretStr | None, BeforeValidator(empty_is_none)]
    """The keys themselves; goes before the file."""
