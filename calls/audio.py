"""The audio of one call: a session and a description for each party, and who hears whom.

Its owner says when; here is how. Every ``async`` method is one or more commands to the media
process and may raise ``telephony.media_client.MediaError``.
"""

from pathlib import Path

import structlog

from calls.conversation import Side
from telephony.media_client import MediaClient, MediaError
from telephony.sip.offer_answer import (
    AudioFormat,
    LocalDescription,
    RemoteAudio,
    parse_audio,
)

log = structlog.get_logger(__name__)

#: What we offer to agents' phones; the citizen's own first format is put in front, so that the two
#: legs share one codec and packets are relayed untouched wherever the phone allows it.
G711: tuple[AudioFormat, ...] = (AudioFormat("PCMA", 8), AudioFormat("PCMU", 0))

#: Where a party hears nothing, to the media process.
NOWHERE = "0.0.0.0"


class CallAudio:
    """Both parties' sessions.

    Args:
        call_id: part of the sessions' names, and the recording's name.
        media: the media process.
        host: the address for RTP that is given to the parties.
        recordings: where recordings go; None: calls are not recorded.
    """

    def __init__(
        self, call_id: str, *, media: MediaClient, host: str, recordings: Path | None
    ) -> None:
        self._call_id = call_id
        self._media = media
        self._host = host
        self._recordings = recordings
        self._sessions: dict[Side, str] = {}
        self._ports: dict[Side, int] = {}
        self._described: dict[Side, LocalDescription] = {"caller": LocalDescription(1)}
        self._codecs: dict[Side, str] = {}
        self._recording = False

    @property
    def sessions(self) -> dict[Side, str]:
        """The open sessions by party."""
        return dict(self._sessions)

    # -- ports and descriptions --------------------------------------------------------------------

    async def open(self, token: int) -> None:
        """Open the citizen's session, if it is not open yet, and one for the offer ``token``."""
        if "caller" not in self._sessions:
            await self._open("caller", f"{self._call_id}.caller")
        await self._open("agent", self._agent_session(token))

    async def _open(self, side: Side, session: str) -> None:
        _, self._ports[side] = await self._media.open(session)
        self._sessions[side] = session

    def _agent_session(self, token: int) -> str:
        return f"{self._call_id}.agent.{token}"

    def offer_for_agent(self, token: int, caller_sdp: str | None) -> str:
        """Return the session description that the agent's phones are called with."""
        self._described["agent"] = LocalDescription(token)
        formats = G711 if caller_sdp is None else _in_order(parse_audio(caller_sdp).formats[0].name)
        return self._described["agent"].offer(
            host=self._host, port=self._ports["agent"], formats=formats
        )

    async def connect(self, agent: RemoteAudio, caller_sdp: str | None) -> str:
        """Let both parties hear each other; return the answer (or offer) for the citizen.

        The agent's codec is preferred, so that nothing is transcoded if it can be avoided. A
        citizen's INVITE without an offer gets ours now and answers in his ACK (RFC 3264 §5).

        Raises:
            MediaError: the media process is away or refused.
            telephony.sip.offer_answer.SdpError: the citizen's description cannot be answered.
        """
        answer, caller = self._answer_caller(agent, caller_sdp)
        await self._set_remote("agent", agent, agent.formats[0])
        if caller is not None:
            await self._set_remote("caller", *caller)
        await self._media.bridge(self._sessions["caller"], self._sessions["agent"])
        return answer

    def _answer_caller(
        self, agent: RemoteAudio, caller_sdp: str | None
    ) -> tuple[str, tuple[RemoteAudio, AudioFormat] | None]:
        described, port = self._described["caller"], self._ports["caller"]
        if caller_sdp is None:
            formats = _in_order(agent.formats[0].name)
            return described.offer(host=self._host, port=port, formats=formats), None
        names = (entry.name for entry in (*agent.formats, *G711))
        answer, chosen = described.answer(
            caller_sdp, host=self._host, port=port, preferred=tuple(dict.fromkeys(names))
        )
        return answer, (parse_audio(caller_sdp), chosen)

    def reanswer(self, side: Side, sdp: str) -> tuple[str, AudioFormat]:
        """Answer a re-INVITE: same port and codec here, whatever address the party has now.

        Raises:
            telephony.sip.offer_answer.SdpError: it cannot be answered, or nothing is open.
        """
        in_use = self._codecs.get(side, "PCMA")
        return self._described[side].answer(
            sdp,
            host=self._host,
            port=self._ports[side],
            preferred=(in_use, *(entry.name for entry in G711)),
        )

    def reoffer(self, side: Side) -> str:
        """Offer all that we can do, to a party that asks for it; what is in use stands first."""
        formats = _in_order(self._codecs.get(side, "PCMA"))
        return self._described[side].offer(host=self._host, port=self._ports[side], formats=formats)

    def is_open(self, side: Side) -> bool:
        """Whether this party has a session."""
        return side in self._sessions

    async def move(self, side: Side, sdp: str, chosen: AudioFormat | None) -> None:
        """Follow a party to the address that its new session description names.

        ``chosen`` is what we answered with; None: the description is itself an answer.

        Raises:
            MediaError: the media process is away or refused.
            telephony.sip.offer_answer.SdpError: the description cannot be used.
        """
        audio = parse_audio(sdp)
        await self._set_remote(side, audio, chosen or audio.formats[0])

    async def _set_remote(self, side: Side, audio: RemoteAudio, chosen: AudioFormat) -> None:
        session = self._sessions.get(side)
        if session is None:
            return
        self._codecs[side] = chosen.name
        await self._media.set_remote(
            session,
            # on hold nothing is sent to it (RFC 3264 §8.4); what it sends, music perhaps, is heard
            host=audio.host if audio.is_listening else NOWHERE,
            port=audio.port,
            payload_type=chosen.payload_type,
            codec=chosen.name,
            telephone_event=audio.telephone_event,
            # RFC 3264 §6.1: whoever named several formats may send any of them
            accepts={entry.payload_type: entry.name for entry in audio.formats},
        )

    # -- recording ---------------------------------------------------------------------------------

    async def start_recording(self) -> Path | None:
        """Record from now on; return where, None when calls are not recorded or it cannot be."""
        if self._recordings is None:
            return None
        day = self._call_id[:8]
        path = self._recordings / day[:4] / day[4:6] / day[6:] / f"{self._call_id}.wav"
        left, right = self._sessions["caller"], self._sessions["agent"]
        try:
            await self._media.record(self._call_id, path, left=left, right=right)
        except MediaError as error:  # the disk is full: the call goes on without
            log.error("not_recorded", call_id=self._call_id, error=str(error))  # noqa: TRY400 - no trace
            return None
        self._recording = True
        return path

    async def stop_recording(self) -> float | None:
        """Complete the recording; return its seconds, None when there is none."""
        if not self._recording:
            return None
        try:
            return (await self._media.stop_record(self._call_id)).seconds
        except MediaError:
            return None  # the media process died; what it had written is on the disk

    # -- ends --------------------------------------------------------------------------------------

    async def close_agent(self, token: int) -> None:
        """Close the session of an offer that led to nothing, if it is still this offer's."""
        if self._sessions.get("agent") == self._agent_session(token):
            await self._close("agent")

    async def close(self) -> None:
        """Close whatever is open."""
        for side in list(self._sessions):
            await self._close(side)

    async def _close(self, side: Side) -> None:
        session = self._sessions.pop(side)
        try:
            await self._media.close_session(session)
        except MediaError:
            log.debug("session_gone", call_id=self._call_id, session=session)

    def lost(self) -> None:
        """Forget the sessions: the media process died with them."""
        self._sessions.clear()


def _in_order(first: str) -> tuple[AudioFormat, ...]:
    return tuple(sorted(G711, key=lambda entry: entry.name != first))
