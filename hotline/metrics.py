"""What Prometheus scrapes: SIP messages by direction, method, status and peer, and the counts."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hotline.health import WELL
from telephony.witness import Tally

_STATUSES = ("down", "degraded", "ok")


class NodeMetrics:
    """Writes the exposition format.

    Args:
        health: awaited for each scrape.
        tally: SIP messages counted so far.
        counters: what the SIP endpoint counts of each kind of mishap.
    """

    def __init__(
        self,
        *,
        health: Callable[[], Awaitable[Mapping[str, Any]]],
        tally: Mapping[Tally, int],
        counters: Mapping[str, int],
    ) -> None:
        self._health = health
        self._tally = tally
        self._counters = counters

    async def __call__(self) -> bytes:
        """Return the text of one scrape (``text/plain; version=0.0.4``)."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(await self._health(), self._tally, self._counters))
        return generate_latest(registry)


class _Snapshot(Collector):
    """The figures of one moment."""

    def __init__(
        self, report: Mapping[str, Any], tally: Mapping[Tally, int], counters: Mapping[str, int]
    ) -> None:
        self._report = report
        self._tally = tally
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        messages = CounterMetricFamily(
            "hotline_sip_messages",
            "SIP messages; status is empty for requests, peer a trunk's name or phone.",
            labels=Tally._fields,
        )
        for key, count in self._tally.items():
            messages.add_metric(list(key), count)
        yield messages
        endpoint = CounterMetricFamily(
            "hotline_sip_endpoint", "What the SIP endpoint counts.", labels=["what"]
        )
        for name, count in self._counters.items():
            endpoint.add_metric([name], count)
        yield endpoint
        parts = GaugeMetricFamily(
            "hotline_part_ok", "Whether a part of the node is well.", labels=["part"]
        )
        for name, part in self._report["parts"].items():
            parts.add_metric([name], part["status"] in WELL)
        yield parts
        yield GaugeMetricFamily(
            "hotline_status",
            "0 takes no calls, 1 degraded, 2 well.",
            value=_STATUSES.index(self._report["status"]),
        )
        live = GaugeMetricFamily("hotline_live", "What is alive just now.", labels=["what"])
        for name, count in self._report["counts"].items():
            live.add_metric([name], count)
        yield live
