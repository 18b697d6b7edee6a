"""Whatever a recognition server says, it is understood or refused in words; nothing crashes."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from asr.ports import BYTES_PER_SECOND, Final, Partial, RecognitionStream, Recognizer
from asr.remote import funasr, vosk_server
from asr.remote.connection import ServerError
from asr.remote.funasr import FunAsrRecognizer, ServerText
from asr.remote.vosk_server import VoskServerRecognizer
from tests.asr import speech
from tests.support.funasr_server import funasr_server
from tests.support.ports import free_tcp_port
from tests.support.vosk_server import vosk_server as vosk_server_at

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("partial", "text", "result", "alternatives", "mode", "timestamp", "stamp_sents", "is_final")
WORD = st.fixed_dictionaries({}, optional=dict.fromkeys(("word", "start", "end", "conf"), JSON))
LIKELY = st.fixed_dictionaries(
    {}, optional={key: JSON | st.lists(WORD, max_size=2) for key in KEYS}
)
MESSAGES = (
    st.text() | st.binary() | (LIKELY | JSON).map(lambda found: json.dumps(found, allow_nan=True))
)


@given(MESSAGES)
def test_vosk_servers_messages(message: str | bytes) -> None:
    try:
        result = vosk_server.parse(message)
    except ServerError:
        return
    assert result is None or isinstance(result, Partial | Final)
    if isinstance(result, Final):
        assert all(0 <= word.confidence <= 1 and word.start <= word.end for word in result.words)


@given(MESSAGES)
def test_funasrs_messages(message: str | bytes) -> None:
    try:
        heard = funasr.parse(message)
    except ServerError:
        return
    assert heard.kind == "end" or heard.text
    assert heard.span is None or heard.span[0] <= heard.span[1]


def test_what_vosk_server_says() -> None:
    assert vosk_server.parse('{"partial" : "我 姓"}') == Partial("我姓", 0.0, 0.0)
    assert vosk_server.parse('{"partial" : ""}') is None
    assert vosk_server.parse('{"text" : ""}') is None
    spoken = '{"result": [{"conf": 0.5, "end": 1.2, "start": 0.9, "word": "喂"}], "text": "喂"}'
    final = vosk_server.parse(spoken)
    assert isinstance(final, Final)
    assert (final.text, final.start, final.end, final.confidence) == ("喂", 0.9, 1.2, 0.5)
    several = f'{{"alternatives": [{spoken}, {{"text": "为"}}]}}'
    assert vosk_server.parse(several) == final


def test_what_funasr_says() -> None:
    online = '{"mode": "2pass-online", "text": "我 姓", "wav_name": "call", "is_final": true}'
    assert funasr.parse(online) == ServerText("online", "我姓")
    offline = {"mode": "2pass-offline", "text": "我姓陆。", "timestamp": "[[100,200],[200,500]]"}
    assert funasr.parse(json.dumps(offline)) == ServerText("offline", "我姓陆。", (0.1, 0.5))
    sentences = [{"text_seg": "我 姓", "start": 430, "end": 1130, "ts_list": []}]
    stamped = {"mode": "2pass-offline", "text": "我姓", "stamp_sents": sentences}
    assert funasr.parse(json.dumps(stamped)).span == (0.43, 1.13)
    assert funasr.parse('{"is_final": true, "text": "", "mode": "2pass-offline"}').kind == "end"


@asynccontextmanager
async def saying(*answers: str | bytes) -> AsyncIterator[str]:
    """A server that answers the first sounds with these, and then hangs up."""

    async def handle(websocket: ServerConnection) -> None:
        try:
            rest = list(answers)
            async for message in websocket:
                if isinstance(message, bytes):
                    if not rest:
                        return
                    await websocket.send(rest.pop(0))
        except ConnectionClosed:
            pass

    # It does not read what is still under way, so it would wait in vain for the client's good-bye.
    listen = partial(serve, handle, "127.0.0.1", 0, close_timeout=0.1)
    async with listen(subprotocols=["binary"]) as listening:  # type: ignore[list-item]
        yield f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"


def engines(url: str) -> list[Recognizer]:
    return [VoskServerRecognizer(url), FunAsrRecognizer(url, finish_within=0.2)]


async def push_for_a_while(stream: RecognitionStream) -> None:
    for _ in range(50):
        await stream.push(speech.pcm("d03")[:BYTES_PER_SECOND])
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", [0, 1], ids=["vosk-server", "funasr"])
@pytest.mark.parametrize("answer", ["<html>502</html>", "[]", '{"text": 7}', b"\xff\xfe"])
async def test_nonsense_ends_the_utterance_and_the_next_begins_anew(
    number: int, answer: str | bytes
) -> None:
    async with saying(answer) as url:
        stream = await engines(url)[number].open()
        for _ in range(2):
            with pytest.raises(ServerError, match="recognition server"):
                await push_for_a_while(stream)
        await stream.aclose()


@pytest.mark.parametrize("number", [0, 1], ids=["vosk-server", "funasr"])
async def test_a_server_that_hangs_up_or_is_away_is_said_plainly(number: int) -> None:
    async with saying() as url:
        stream = await engines(url)[number].open()
        with pytest.raises(ServerError, match="recognition server ws://"):
            await push_for_a_while(stream)
        await stream.aclose()
    nobody = f"ws://127.0.0.1:{free_tcp_port()}"
    stream = await engines(nobody)[number].open()
    with pytest.raises(ServerError, match=f"cannot reach the recognition server {nobody}"):
        await stream.push(speech.pcm("d03"))
    await stream.aclose()


async def test_funasr_is_told_the_names_and_finals_are_placed_without_its_times() -> None:
    async with funasr_server(speech.MODEL, stamps=False) as (server, url):
        stream = await FunAsrRecognizer(url, phrases=["娄江新城"], finish_within=1.0).open()
        for _ in range(2):
            await stream.push(speech.pcm("d03")[: 3 * BYTES_PER_SECOND])
            await stream.flush()
        await stream.aclose()
        finals = [event async for event in stream.events() if isinstance(event, Final)]
    assert json.loads(server.starts[0]["hotwords"]) == {"娄江新城": 20}
    assert (server.starts[0]["mode"], server.starts[0]["chunk_size"]) == ("2pass", [5, 10, 5])
    assert finals[-1].start >= 3.0
    assert all(before.end <= after.start for before, after in itertools.pairwise(finals))


async def test_vosk_server_can_be_held_to_phrases() -> None:
    async with vosk_server_at(str(speech.MODEL)) as (server, url):
        stream = await VoskServerRecognizer(url, phrases=["着火", "救命"]).open()
        await stream.push(speech.pcm("d03"))
        await stream.flush()
        await stream.aclose()
        finals = [event async for event in stream.events() if isinstance(event, Final)]
    assert server.configs[0]["phrase_list"] == ["着火", "救命", "[unk]"]
    assert {word.text for final in finals for word in final.words} <= {"着火", "救命", "[unk]"}
