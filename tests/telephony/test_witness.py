from aiosipua import SipRequest, SipResponse
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.hop import Hop
from telephony.sip.message import parse_message
from telephony.witness import LONGEST_DIALOG, OVERHEAD, PeerNames, Wire

TRUNK, PHONE = Hop("192.0.2.7", 5060), Hop("127.0.0.9", 5070, "TCP")


def request(method: str = "INVITE", call_id: str = "a", extra: str = "") -> bytes:
    return (
        f"{method} sip:12345@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
        f"From: <sip:1@h>;tag=1\r\nTo: <sip:12345@h>\r\nCall-ID: {call_id}\r\n"
        f"CSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()


def answer(status: int, call_id: str = "a") -> bytes:
    return (
        f"SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
        f"From: <sip:1@h>;tag=1\r\nTo: <sip:12345@h>;tag=2\r\nCall-ID: {call_id}\r\n"
        "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def read(data: bytes) -> SipRequest | SipResponse:
    return parse_message(data)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def wire(octets: int = 10**6) -> Wire:
    return Wire(
        peer_of=lambda hop: "carrier" if hop == TRUNK else "phone", octets=octets, clock=Clock()
    )


def test_messages_are_counted_and_kept_by_dialog() -> None:
    ring = wire()
    ring(read(request()), request(), TRUNK, inbound=True)
    ring(read(answer(180)), answer(180), TRUNK, inbound=False)
    ring(read(request(call_id="b")), request(call_id="b"), PHONE, inbound=False)
    ring(read(request("FOO", "c")), request("FOO", "c"), PHONE, inbound=True)
    assert {tuple(key): count for key, count in ring.tally.items()} == {
        ("in", "INVITE", "", "carrier"): 1,
        ("out", "INVITE", "180", "carrier"): 1,
        ("out", "INVITE", "", "phone"): 1,
        ("in", "other", "", "phone"): 1,
    }
    for status in range(200, 700):
        ring(read(answer(status)), answer(status), PHONE, inbound=True, kept=False)
    strays = {key.status: count for key, count in ring.tally.items() if key.peer == "phone"}
    assert {status: strays[status] for status in strays if status} == {
        f"{kind}xx": 100 for kind in range(2, 7)
    }
    both = ring.of(["b", "a"])
    assert [(seen.at, seen.inbound, seen.hop) for seen in both] == [
        (1.0, True, TRUNK),
        (2.0, False, TRUNK),
        (3.0, False, PHONE),
    ]
    assert ring.of(["z"]) == []


def test_credentials_are_not_kept() -> None:
    extra = (
        'Authorization: Digest username="1001",\r\n response="5ec4e7"\r\nproxy-authorization: x\r\n'
    )
    ring = wire()
    ring(read(request(extra=extra)), request(extra=extra), PHONE, inbound=True)
    (seen,) = ring.of(["a"])
    assert b"5ec4e7" not in seen.data
    assert b"proxy-authorization: (taken out)\r\n" in seen.data
    assert seen.data.endswith(b"Content-Length: 0\r\n\r\n")


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 200), st.sampled_from(["", "open", "over"])),
        max_size=300,
    ),
    st.integers(1_000, 60_000),
)
def test_never_more_than_the_limit_and_the_newest_stay(
    sent: list[tuple[int, int, str]], limit: int
) -> None:
    ring = wire(limit)
    for number, padding, becomes in sent:
        if becomes:
            (ring.hold if becomes == "open" else ring.let_go)(str(number))
        data = request(call_id=str(number), extra=f"X: {'x' * padding}\r\n")
        ring(read(data), data, PHONE, inbound=True)
        assert ring.octets <= limit
        kept = [ring.of([str(one)]) for one in range(31)]
        assert sum(len(seen.data) + OVERHEAD for of_one in kept for seen in of_one) == ring.octets


def test_a_call_under_way_outlasts_those_that_are_over() -> None:
    def see(call_id: str, method: str = "INVITE") -> None:
        ring(read(request(method, call_id)), request(method, call_id), PHONE, inbound=True)

    ring = wire(20 * (len(request(call_id="long")) + OVERHEAD))
    see("long")
    ring.hold("long")
    for number in range(100):
        see(str(number))
    see("long", "BYE")
    assert [seen.at for seen in ring.of(["long"])] == [1.0, 102.0]
    ring.let_go("long")
    for number in range(100, 110):
        see(str(number))
    assert ring.of(["long"])  # as any that has just ended
    for number in range(110, 140):
        see(str(number))
    assert not ring.of(["long"])


def test_a_dialog_that_never_ends_keeps_its_beginning_and_its_end() -> None:
    ring = wire()
    for _ in range(LONGEST_DIALOG + 50):
        ring(read(request("OPTIONS")), request("OPTIONS"), PHONE, inbound=True)
    kept = ring.of(["a"])
    assert len(kept) == LONGEST_DIALOG
    assert (kept[0].at, kept[-1].at) == (1.0, LONGEST_DIALOG + 50)


def test_trunks_are_named_and_everybody_else_is_a_phone() -> None:
    class Carrier:
        name = "移动"

    asked = []

    def find(host: str) -> Carrier | None:
        asked.append(host)
        return Carrier() if host == TRUNK.host else None

    names = PeerNames(find)
    assert [names(TRUNK), names(PHONE), names(TRUNK)] == ["移动", "phone", "移动"]
    assert asked == [TRUNK.host, PHONE.host]
