from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from hotline.metrics import NodeMetrics
from telephony.witness import Tally


async def report() -> dict[str, Any]:
    return {
        "status": "degraded",
        "parts": {"media": {"status": "ok"}, "mqtt": {"status": "away"}},
        "counts": {"calls_talking": 3},
    }


async def test_what_prometheus_reads_is_what_was_counted() -> None:
    tally = {
        Tally("in", "INVITE", "", "移动"): 5,
        Tally("out", "INVITE", "180", "移动"): 4,
    }
    scrape = NodeMetrics(health=report, tally=tally, counters={"malformed": 2})
    text = (await scrape()).decode()
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    invite = (("direction", "in"), ("method", "INVITE"), ("peer", "移动"), ("status", ""))
    assert found["hotline_sip_messages_total", invite] == 5
    assert found["hotline_sip_endpoint_total", (("what", "malformed"),)] == 2
    assert found["hotline_part_ok", (("part", "media"),)] == 1
    assert found["hotline_part_ok", (("part", "mqtt"),)] == 0
    assert found["hotline_live", (("what", "calls_talking"),)] == 3
    assert found["hotline_status", ()] == 1
