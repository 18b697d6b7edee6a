"""Token buckets by source."""

from telephony.sip.rate_limit import RateLimiter


def test_a_source_has_its_burst_and_then_its_rate() -> None:
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.allow("a", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [limiter.allow("a", 1.0) for _ in range(3)] == [True, True, False]


def test_sources_do_not_share() -> None:
    limiter = RateLimiter(rate=1, burst=1)
    assert [limiter.allow(source, 0.0) for source in "aabb"] == [True, False, True, False]


def test_forged_sources_are_bounded_together() -> None:
    limiter = RateLimiter(rate=1, burst=1, total_rate=10)
    allowed = sum(limiter.allow(f"forged {number}", 0.0) for number in range(1000))
    assert allowed == 10
    assert limiter.allow("forged again", 0.1)


def test_memory_is_bounded_and_the_longest_unheard_is_forgotten() -> None:
    limiter = RateLimiter(rate=1, burst=1, capacity=2)
    assert limiter.allow("a", 0.0)
    assert limiter.allow("b", 0.0)
    assert not limiter.allow("a", 0.0)
    assert limiter.allow("c", 0.0)
    assert len(limiter) == 2
    assert not limiter.allow("a", 0.0)
    assert limiter.allow("b", 0.0)


def test_a_clock_that_stands_still_or_runs_back_gives_nothing() -> None:
    limiter = RateLimiter(rate=1, burst=1)
    assert limiter.allow("a", 10.0)
    assert not limiter.allow("a", 5.0)
