import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.abuse.bans import BanPolicy
from telephony.abuse.gatekeeper import AbusePolicy, Gatekeeper, source_of

TRUNK, PHONE, STRANGER = "10.0.0.1", "10.1.1.1", "192.0.2.66"
POLICY = AbusePolicy(
    strangers=10.0,
    all_strangers=100.0,
    answers=2.0,
    all_answers=5.0,
    users=100.0,
    trunks=1000.0,
    trust_seconds=3600.0,
    bans=BanPolicy(failures=3, window=60.0, seconds=100.0),
)
OPTIONS = b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nUser-Agent: Yealink\r\n\r\n"


def keeper() -> Gatekeeper:
    gate = Gatekeeper(POLICY, is_trunk=lambda host: host == TRUNK)
    gate.succeeded(PHONE, 0.0)
    return gate


def admitted(gate: Gatekeeper, host: str, count: int, now: float = 0.0, data: bytes = b"x") -> int:
    return sum(gate.admits(data, host, now) for _ in range(count))


@pytest.mark.parametrize("host, burst", [(STRANGER, 40), (PHONE, 400), (TRUNK, 4000)])
def test_each_sort_of_source_has_its_budget(host: str, burst: int) -> None:
    gate = keeper()
    assert admitted(gate, host, 5000) == burst
    assert admitted(gate, host, 5000, now=1.0) == burst / 4
    assert gate.counters["over_budget"] == 10_000 - burst - burst / 4


def test_long_datagrams_cost_more() -> None:
    assert admitted(keeper(), STRANGER, 100, data=b"x" * 4096) == 8


def test_strangers_together_cannot_have_more_than_their_share() -> None:
    gate = keeper()
    forged = sum(gate.admits(b"x", f"198.51.{n // 250}.{n % 250}", 0.0) for n in range(5000))
    assert forged == 100
    assert gate.admits(b"x", TRUNK, 0.0)
    assert gate.admits(b"x", PHONE, 0.0)


def test_one_strangers_flood_does_not_use_up_the_others_share() -> None:
    gate = keeper()
    admitted(gate, STRANGER, 5000)
    assert gate.admits(b"x", "192.0.2.67", 0.0)


def test_wrong_passwords_ban_and_a_ban_is_silence() -> None:
    gate = keeper()
    assert [gate.failed(STRANGER, 0.0) for _ in range(3)] == [False, False, True]
    assert not gate.admits(OPTIONS, STRANGER, 1.0)
    assert gate.counters["banned"] == 1
    assert gate.bans == 1
    assert gate.admits(OPTIONS, STRANGER, 101.0)


@pytest.mark.parametrize("host", [TRUNK, PHONE])
def test_whoever_is_known_is_never_banned(host: str) -> None:
    gate = keeper()
    assert not any(gate.failed(host, 1.0) for _ in range(100))
    assert gate.admits(b"User-Agent: friendly-scanner\r\n", host, 1.0)
    assert not gate.is_stranger(host, 1.0)


def test_a_success_lifts_the_ban_and_lasts_for_a_while() -> None:
    gate = keeper()
    for _ in range(3):
        gate.failed(STRANGER, 0.0)
    gate.succeeded(STRANGER, 1.0)
    assert gate.admits(OPTIONS, STRANGER, 2.0)
    assert not gate.is_stranger(STRANGER, 3600.0)
    assert gate.is_stranger(STRANGER, 3601.0)


@pytest.mark.parametrize(
    "line",
    [
        b"User-Agent: friendly-scanner",
        b"user-agent : Sipvicious 0.3",
        b"USER-AGENT:\tsipcli/v1.8",
        b"User-Agent: my pplsip",
    ],
)
def test_scanners_are_banned_unread(line: bytes) -> None:
    gate = keeper()
    assert not gate.admits(b"OPTIONS sip:1 SIP/2.0\r\n" + line + b"\r\n\r\n", STRANGER, 0.0)
    assert gate.counters["scanners"] == 1
    assert not gate.admits(OPTIONS, STRANGER, 0.1)


SCANNER = b"User-Agent: friendly-scanner\r\n\r\n"
SCAN = b"OPTIONS sip:1 SIP/2.0\r\n" + SCANNER
REGISTER = b"REGISTER sip:hotline SIP/2.0\r\n"


def test_a_forged_scan_does_not_keep_a_phone_from_registering() -> None:
    gate = keeper()
    assert not gate.admits(SCAN, STRANGER, 0.0)
    assert not gate.admits(OPTIONS, STRANGER, 0.1)
    assert gate.admits(REGISTER + b"User-Agent: Yealink\r\n\r\n", STRANGER, 0.2)
    assert not gate.admits(REGISTER + SCANNER, STRANGER, 0.3)
    assert (gate.bans, gate.suspects) == (0, 1)
    gate.succeeded(STRANGER, 0.4)
    assert gate.admits(OPTIONS, STRANGER, 0.5)
    assert gate.suspects == 0


def test_forged_scans_prolong_no_suspicion_while_it_lasts() -> None:
    gate = keeper()
    for second in range(8):
        assert not gate.admits(REGISTER + SCANNER, STRANGER, float(second))
    assert not gate.admits(OPTIONS, STRANGER, 99.9)
    assert gate.admits(OPTIONS, STRANGER, 100.0)


def test_who_is_suspected_for_what_may_be_forged_is_heard_over_a_connection() -> None:
    gate = keeper()
    gate.admits(SCAN, STRANGER, 0.0)
    assert gate.admits(OPTIONS, STRANGER, 0.1, proven=True)
    assert not gate.admits(OPTIONS, STRANGER, 0.2)


def test_a_scan_over_a_connection_proves_its_source() -> None:
    gate = keeper()
    assert not gate.admits(SCAN, STRANGER, 0.0, proven=True)
    assert not gate.admits(REGISTER + b"\r\n", STRANGER, 0.1)
    assert gate.admits(REGISTER + b"\r\n", STRANGER, 100.0)


def test_forged_scans_push_nobody_off_the_list_of_the_banned() -> None:
    gate = Gatekeeper(AbusePolicy(all_strangers=1e6), is_trunk=lambda _host: False)
    for _ in range(8):
        gate.failed(STRANGER, 0.0)
    for number in range(5000):
        gate.admits(SCAN, f"198.51.{number // 250}.{number % 250}", 0.0)
    assert not gate.admits(REGISTER + b"\r\n", STRANGER, 1.0)


def test_a_body_that_speaks_of_scanners_is_none() -> None:
    gate = keeper()
    subject = b"OPTIONS sip:1 SIP/2.0\r\nSubject: User-Agent: friendly-scanner\r\n\r\n"
    assert gate.admits(subject, STRANGER, 0.0)


def test_without_signatures_nobody_is_a_scanner() -> None:
    gate = Gatekeeper(AbusePolicy(scanners=()), is_trunk=lambda _host: False)
    assert gate.admits(b"x\r\nUser-Agent: friendly-scanner\r\n", STRANGER, 0.0)


def test_answers_are_rarer_than_questions() -> None:
    gate = keeper()
    assert sum(gate.may_answer(STRANGER, 0.0) for _ in range(50)) == 5  # all strangers' share
    assert gate.counters["unanswered"] == 45
    assert sum(gate.may_answer(STRANGER, 1.0) for _ in range(50)) == 5


@pytest.mark.parametrize(
    "host, source",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_what_counts_as_one_source(host: str, source: str) -> None:
    assert source_of(host) == source


@given(st.ip_addresses(v=6))
def test_a_sites_addresses_are_one_source(address: ipaddress.IPv6Address) -> None:
    if address.ipv4_mapped is None:
        neighbour = ipaddress.IPv6Address(int(address) ^ 0xFFFF)
        assert source_of(str(address)) == source_of(str(neighbour))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans()), max_size=200))
def test_memory_is_bounded_whoever_comes(story: list[tuple[int, bool]]) -> None:
    gate = keeper()
    for number, proved in story:
        host = str(ipaddress.IPv4Address(number))
        gate.admits(OPTIONS, host, 0.0)
        if proved:
            gate.succeeded(host, 0.0)
        else:
            gate.failed(host, 0.0)
    assert len(gate._trusted) <= 4096
