"""What is told of the whole, and that a part which does not answer holds nothing up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hotline import overview
from hotline.overview import Overview
from telephony.bindings import MemoryBindings
from telephony.sip.registrar import Binding
from telephony.trunks.service import TrunkStatus
from web.schemas_system import SystemOut

NOW = 1.76e9


SBC = TrunkStatus(
    name="sbc",
    up=False,
    reason="no answer",
    outbound=True,
    registered=None,
    calls=3,
    refused=1,
    max_calls=30,
)


@dataclass
class Child:
    state: str = "running"
    restarts: int = 2
    pid: int | None = 77


async def report() -> Mapping[str, Any]:
    parts = {
        "redis": {"status": "ok", "detail": None},
        "recogniser": {"status": "off", "detail": "asr.enabled is false"},
        "trunks": {"status": "degraded", "detail": "sbc: no answer to OPTIONS"},
    }
    return {"status": "degraded", "counts": {"calls_calls": 3}, "parts": parts}


async def loads() -> Mapping[str, Mapping[str, int]]:
    return {"": {"streams": 4, "lag_ms": 120}}


def the(**others: Any) -> Overview:
    bindings = MemoryBindings(clock=lambda: NOW)
    phone = Binding("1001", "sip:1001@127.0.0.9:5062", ("127.0.0.9", 5062), "a", 1, NOW + 60)
    bindings.put("1001", phone)
    known: dict[str, Any] = {
        "node": "one",
        "health": report,
        "nodes": lambda: {"two": 31.0, "one": 0.04},
        "expiry_seconds": 30.0,
        "trunks": lambda: [SBC],
        "bindings": bindings,
        "children": {"media": Child()},
        "recognisers": lambda: {"": ("ok", None), "english": ("away", "connection lost")},
        "loads": loads,
        "clock": lambda: NOW,
    }
    return Overview(**{**known, **others})


async def test_everything_is_told() -> None:
    told = SystemOut.model_validate({"version": "1", **await the()()})
    assert [(one.name, one.here, one.alive) for one in told.nodes] == [
        ("one", True, True),
        ("two", False, False),
    ]
    assert [(one.part, one.status) for one in told.alarms] == [("trunks", "degraded")]
    assert (told.trunks[0].calls, told.trunks[0].max_calls, told.trunks[0].up) == (3, 30, False)
    assert (told.phones, told.registrations[0].address) == (1, "127.0.0.9")
    assert told.processes[0].restarts == 2
    assert [(one.name, one.streams, one.status) for one in told.recognisers] == [
        ("usual", 4, "ok"),
        ("english", None, "away"),
    ]


async def test_a_part_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Mapping[str, Mapping[str, int]]:
        await asyncio.Event().wait()
        return {}

    class Away(MemoryBindings):
        async def aors(self) -> list[str]:
            raise OSError("Redis is away")

    monkeypatch.setattr(overview, "PATIENCE_SECONDS", 0.01)
    told = await the(loads=never, bindings=Away())()
    assert told["registrations"] == []
    assert told["recognisers"][0]["streams"] is None
    assert told["counts"] == {"calls_calls": 3}
