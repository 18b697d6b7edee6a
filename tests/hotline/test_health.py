from collections.abc import Mapping

from eventbus.bus import EventBus
from eventbus.catalogue import Event, ServiceStatus
from hotline.health import PARTS, HealthBoard


def board() -> tuple[HealthBoard, list[Event]]:
    bus, seen = EventBus(), list[Event]()
    bus.subscribe(seen.append)
    return HealthBoard(bus=bus, wall_clock=lambda: 5.0), seen


async def test_down_until_it_takes_calls_degraded_until_every_part_is_well() -> None:
    health, _ = board()
    assert (await health.report())["status"] == "down"
    health.accepting = True
    assert (await health.report())["status"] == "degraded"
    for part in PARTS:
        health.set(part, "ok")
    assert (await health.report())["status"] == "ok"
    health.set("recogniser", "no_model", "none found")
    report = await health.report()
    assert report["status"] == "degraded"
    assert report["parts"]["recogniser"] == {"status": "no_model", "detail": "none found"}
    health.set("recogniser", "off", "asr.enabled is false")
    assert (await health.report())["status"] == "ok"


def test_only_changes_are_published() -> None:
    health, seen = board()
    health.set("mqtt", "ok")
    health.set("mqtt", "ok")
    health.set("mqtt", "away", "refused")
    assert seen == [
        ServiceStatus(at=5.0, part="mqtt", status="ok"),
        ServiceStatus(at=5.0, part="mqtt", status="away", detail="refused"),
    ]


async def test_counts_of_a_part_that_is_away_are_left_out() -> None:
    health, _ = board()

    async def count() -> Mapping[str, int]:
        return {"legs": 2}

    async def fail() -> Mapping[str, int]:
        raise ConnectionError("away")

    health.count("sip", count)
    health.count("media", fail)
    counts = (await health.report())["counts"]
    assert counts["sip_legs"] == 2
    assert counts["tasks"] >= 1
    assert not [name for name in counts if name.startswith("media")]
