"""How a small hotline is: a trunk that is down, a phone, two nodes."""

from typing import Any


async def fake_system() -> dict[str, Any]:
    """Return it."""
    trunk = {"outbound": True, "registered": None, "calls": 3, "max_calls": 30, "refused": 0}
    down = {"part": "trunks", "status": "degraded", "detail": "sbc-2: no answer to OPTIONS"}
    return {
        "at": 1.76e9,
        "node": "node-1",
        "status": "degraded",
        "counts": {"calls_calls": 3, "media_ports": 12},
        "parts": [
            {"name": "redis", "status": "ok", "detail": None},
            {"name": "trunks", "status": "degraded", "detail": down["detail"]},
        ],
        "alarms": [down],
        "nodes": [
            {"name": "node-1", "here": True, "silent_seconds": 2.0, "alive": True},
            {"name": "node-2", "here": False, "silent_seconds": 95.0, "alive": False},
        ],
        "processes": [{"name": "media", "state": "running", "pid": 4711, "restarts": 1}],
        "trunks": [
            {"name": "sbc-1", "up": True, "reason": None, **trunk},
            {"name": "sbc-2", "up": False, "reason": "no answer to OPTIONS", **trunk},
        ],
        "phones": 1,
        "registrations": [
            {
                "agent_id": "1001",
                "address": "10.2.0.17",
                "transport": "UDP",
                "expires_at": 1.76e9 + 300,
            }
        ],
        "recognisers": [
            {"name": "usual", "status": "ok", "detail": None, "streams": 6, "lag_ms": 140}
        ],
    }
