"""What two sessions learn from each other's reports, and how good a call sounds."""

from dataclasses import replace

import pytest

from telephony.media.emodel import BEST, mos, r_factor
from telephony.media.path import PathStats
from telephony.media.reporting import Reporter, ntp
from telephony.media.rtcp import Goodbye, ReceiverReport, SenderReport, parse

WALL = 1_700_000_000.0


def stats(**changes: object) -> PathStats:
    nothing = PathStats(
        packets_in=0,
        packets_out=0,
        octets_out=0,
        lost=0,
        duplicates=0,
        discarded=0,
        strangers=0,
        malformed=0,
        unexpected=0,
        jitter=0.0,
        concealed=0,
        late=0,
        last_packet=None,
        ssrc_in=None,
        highest_sequence=0,
        ssrc_out=1,
        timestamp_out=None,
        sent_at=None,
    )
    return replace(nothing, **changes)  # type: ignore[arg-type]


SPEAKS = {"packets_in": 90, "lost": 10, "ssrc_in": 2, "packets_out": 100, "octets_out": 16000}


def test_who_has_sent_nothing_reports_as_a_receiver() -> None:
    report = parse(Reporter("x").report(stats(), 8000, 10.0, WALL))[0]
    assert report == ReceiverReport(1)


def test_a_sender_report_says_what_the_clocks_show() -> None:
    sent = stats(**SPEAKS, timestamp_out=0xFFFFFFFF, sent_at=9.5, jitter=0.002)
    report = parse(Reporter("x").report(sent, 8000, 10.0, WALL))[0]
    assert isinstance(report, SenderReport)
    assert report.timestamp == 3999  # half a second later, round the corner
    assert (report.ntp >> 32, report.packets, report.octets) == (
        int(WALL) + 2208988800,
        100,
        16000,
    )
    (block,) = report.blocks
    assert (block.ssrc, block.fraction_lost, block.total_lost, block.jitter) == (2, 25, 10, 16)


def test_the_fraction_is_of_what_came_since_the_report_before() -> None:
    reporter = Reporter("x")
    reporter.report(stats(**SPEAKS), 8000, 10.0, WALL)
    later = stats(**{**SPEAKS, "packets_in": 190})
    report = parse(reporter.report(later, 8000, 15.0, WALL + 5))[0]
    assert isinstance(report, ReceiverReport)
    assert (report.blocks[0].fraction_lost, report.blocks[0].total_lost) == (0, 10)


def test_two_learn_the_round_trip_from_each_other() -> None:
    one, two = Reporter("one"), Reporter("two")
    first = stats(ssrc_out=1, ssrc_in=2, packets_out=100, timestamp_out=5, sent_at=10.0)
    second = stats(ssrc_out=2, ssrc_in=1, packets_in=80, lost=20, jitter=0.01)
    report = one.report(first, 8000, 10.0, WALL)
    assert two.handle(report, second, 70.03, WALL + 999)  # 30 ms there; its clocks are its own
    answer = two.report(second, 8000, 71.03, WALL + 1000)
    assert one.handle(answer, first, 11.06, WALL + 1.06)  # 30 ms back, a second later
    quality = one.quality(first, 8000)
    assert quality.round_trip == pytest.approx(0.06, abs=0.001)
    assert quality.far_loss == pytest.approx(0.2)
    assert quality.far_jitter == pytest.approx(0.01)
    assert quality.mos < 3


def test_reports_of_other_sources_and_impossible_times_say_nothing() -> None:
    one, two = Reporter("one"), Reporter("two")
    sent = stats(ssrc_out=1, packets_out=100, timestamp_out=5, sent_at=10.0)
    two.handle(one.report(sent, 8000, 10.0, WALL), stats(ssrc_out=2, ssrc_in=1), 0.0, WALL)
    answer = two.report(stats(ssrc_out=2, ssrc_in=1), 8000, 1.0, WALL)
    other = stats(ssrc_out=99)
    one.handle(answer, other, 11.0, WALL + 1)
    assert one.quality(other, 8000).far_loss is None
    one.handle(answer, sent, 9.0, WALL - 3600)  # the clock was set back
    assert one.quality(sent, 8000).round_trip is None


def test_who_leaves_says_so() -> None:
    one, two = Reporter("one"), Reporter("two")
    data = one.goodbye(stats(), 8000, 1.0, WALL)
    assert parse(data)[-1] == Goodbye((1,))
    two.handle(data, stats(), 1.0, WALL)
    assert two.said_goodbye


@pytest.mark.parametrize("data", [b"", b"\x80\x08" + bytes(170), b"\x80\xc9\x00\x09"])
def test_what_is_no_report_changes_nothing(data: bytes) -> None:
    assert not Reporter("x").handle(data, stats(), 1.0, WALL)


def test_the_e_model_at_its_known_points() -> None:
    """G.107 Annex B's MOS; R of G.711 with delay and loss as in G.113 and Cole & Rosenbluth."""
    assert mos(BEST) == pytest.approx(4.41, abs=0.01)
    assert mos(50) == pytest.approx(2.58, abs=0.01)
    assert (mos(-1), mos(0), mos(101)) == (1.0, 1.0, 4.5)
    assert r_factor(loss=0, delay=0.1) == pytest.approx(90.8, abs=0.1)
    assert r_factor(loss=0, delay=0.3) == pytest.approx(72.5, abs=0.1)
    assert r_factor(loss=0.05, delay=0) == pytest.approx(77.4, abs=0.1)
    assert r_factor(loss=1, delay=3) == 0


def test_worse_is_never_better() -> None:
    losses = [r_factor(loss=number / 50, delay=0.05) for number in range(51)]
    delays = [r_factor(loss=0.01, delay=number / 50) for number in range(51)]
    assert losses == sorted(losses, reverse=True)
    assert delays == sorted(delays, reverse=True)


def test_ntp_counts_from_1900() -> None:
    assert ntp(0.5) == (2208988800 << 32) + (1 << 31)
