import pytest

from hotline.exchange import BrokerAddress
from hotline.partner import PartnerSimulator
from hotline.partner_command import manner_of
from tests.tickets.exchange.network import Side, take_all


def joined() -> tuple[PartnerSimulator, Side, list[str]]:
    """A partner and a hotline; what he publishes reaches it at once."""
    said: list[str] = []
    police = PartnerSimulator(
        "110",
        server=("127.0.0.1", 5060),
        broker=BrokerAddress(host="127.0.0.1", port=1, protocol="3.1.1"),
        say=said.append,
    )
    ours = Side("12345", "110", take_all)
    police.link.publish = lambda _topic, payload: ours.hear(payload, 1.0)  # type: ignore[method-assign, assignment]
    return police, ours, said


async def test_what_is_said_at_the_console_is_done() -> None:
    police, ours, said = joined()
    assert await police.obey("send 预付卡 的钱不退")
    (taken,) = ours.taken
    assert taken.matter == {"content": "预付卡 的钱不退"}
    ours.send("T1", 1.0)
    for payload in list(ours.out):
        police._hear(payload)
    assert police.taken == ["T1"]
    assert await police.obey("finish T1 已调解")
    assert ours.state("out", "T1") == "finished"
    await police.obey("return T9 不归我们")
    assert said[-1].startswith("not done")
    await police.obey("list")
    assert any("ticket T1: finished" in line for line in said)
    await police.obey("?")
    assert said[-1].startswith("call [REFERENCE]")
    assert not await police.obey("quit")


async def test_what_is_no_message_is_refused() -> None:
    police, ours, _ = joined()
    police._hear(b'{"id": "x", "kind": "song"}')
    assert ours.book.handovers == {}


@pytest.mark.parametrize("manner", ["accept", "return", "ask"])
def test_what_may_be_done_with_tickets(manner: str) -> None:
    assert manner_of(manner) == manner
    with pytest.raises(ValueError, match="wanted accept"):
        manner_of(f"{manner}s")
