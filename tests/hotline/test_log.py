"""What the log leaves out."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from hotline import log
from telephony.sip.errors import MalformedMessage
from telephony.sip.message import parse_message


@pytest.fixture
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.mark.usefixtures("as_before")
def test_a_stranger_cannot_fill_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("info", "json")
    logging.getLogger("some.package").warning("worth knowing")
    with pytest.raises(MalformedMessage):
        parse_message(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 9\r\n\r\nshort")
    said = capsys.readouterr().err
    assert "worth knowing" in said
    assert "Content-Length" not in said
