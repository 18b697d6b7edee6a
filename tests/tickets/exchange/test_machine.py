from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tickets.exchange.network import MATTER, Side, pair, settle
from tickets.exchange.delivery import ALARM_SECONDS
from tickets.exchange.intake import Verdict
from tickets.exchange.machine import (
    Alarm,
    AlarmOver,
    Close,
    Decide,
    ExchangeError,
    Heard,
    Key,
    PassOn,
    PutAway,
    Send,
)
from tickets.exchange.messages import AckMessage, DraftMessage, Matter, StateMessage, read


def test_a_ticket_there_and_what_became_of_it_back() -> None:
    ours, theirs = pair()
    effects = ours.feed(Send(Key("110", "out", "ticket", "T1"), MATTER, "T1"), 0.0)
    assert PassOn("T1", "110") in effects
    settle(ours, theirs, 0.0)
    (taken,) = theirs.taken
    assert (taken.matter, taken.reopens) == ({"content": "预付卡退款"}, None)
    assert ours.state("out", "T1") == theirs.state("in", "T1") == "accepted"
    assert ours.book.handovers[Key("110", "out", "ticket", "T1")].theirs == taken.ticket_id
    theirs.end("T1", 50.0, "已退款")
    settle(ours, theirs, 50.0)
    handover = ours.book.handovers[Key("110", "out", "ticket", "T1")]
    assert (handover.state, handover.reason) == ("finished", "已退款")
    assert all(letter.delivery.acked_at is not None for letter in ours.book.letters.values())
    assert all(letter.delivery.acked_at is not None for letter in theirs.book.letters.values())


def test_a_ticket_is_returned_with_the_reason_by_rule_or_by_hand() -> None:
    ours, theirs = pair(lambda _message: Verdict("return", "需要民警到场", "需要出警"))
    ours.send("T1", 0.0)
    settle(ours, theirs, 0.0)
    assert (theirs.taken, [back.reason for back in ours.given_back]) == ([], ["需要民警到场"])
    ours, theirs = pair()
    ours.send("T2", 0.0)
    settle(ours, theirs, 0.0)
    key = Key("12345", "in", "ticket", "T2")
    ticket_id = theirs.book.handovers[key].ticket_id
    theirs.decide("T2", 9.0, accepted=False, reason="不归我们")
    settle(ours, theirs, 9.0)
    assert ours.state("out", "T2") == "returned"
    assert ticket_id is not None


def test_a_person_decides_where_no_rule_does() -> None:
    ours, theirs = pair(lambda _message: Verdict("ask"))
    ours.send("T1", 0.0)
    settle(ours, theirs, 0.0)
    assert (theirs.state("in", "T1"), ours.state("out", "T1")) == ("arrived", "sent")
    with pytest.raises(ExchangeError) as caught:
        theirs.decide("T1", 5.0, accepted=False, reason=" ")
    assert caught.value.code == "required"
    theirs.decide("T1", 6.0, accepted=True)
    settle(ours, theirs, 6.0)
    assert (theirs.state("in", "T1"), ours.state("out", "T1")) == ("accepted", "accepted")
    with pytest.raises(ExchangeError) as caught:
        theirs.decide("T1", 7.0, accepted=True)
    assert caught.value.code == "not_now"
    assert len(theirs.taken) == 1


def test_an_accepted_ticket_that_goes_back_ends_its_own_ticket() -> None:
    ours, theirs = pair()
    ours.send("T1", 0.0)
    settle(ours, theirs, 0.0)
    key = Key("12345", "in", "ticket", "T1")
    effects = theirs.feed(Decide(key, accepted=False, reason="重复"), 1.0)
    assert effects[0] == PutAway(theirs.taken[0].ticket_id, "重复")


def test_reopening_links_the_old_ticket() -> None:
    ours, theirs = pair()
    ours.send("T1", 0.0)
    settle(ours, theirs, 0.0)
    ours.send("T2", 1.0, reopens="T1", reason="没有解决")
    settle(ours, theirs, 1.0)
    assert ours.given_back[0].reason == "工单T1仍在办理，无需再处置"
    theirs.end("T1", 2.0)
    settle(ours, theirs, 2.0)
    ours.send("T3", 3.0, reopens="T1", reason="没有解决")
    settle(ours, theirs, 3.0)
    first, again = theirs.taken
    assert (again.reopens, again.reason) == (first.ticket_id, "没有解决")
    ours.send("T4", 4.0, reopens="T9")
    settle(ours, theirs, 4.0)
    assert ours.given_back[1].reason == "没有编号为T9的工单，无法再处置"


def test_the_same_ticket_is_not_handed_over_twice() -> None:
    ours, _ = pair()
    ours.send("T1", 0.0)
    with pytest.raises(ExchangeError) as caught:
        ours.send("T1", 1.0)
    assert caught.value.code == "already_sent"


def test_a_partner_who_may_be_given_nothing_is_given_nothing() -> None:
    ours, _ = pair()
    with pytest.raises(ExchangeError) as caught:
        ours.feed(Send(Key("110", "out", "draft", "T1"), Matter(), "T1"), 0.0)
    assert caught.value.code == "not_shared"
    assert ours.book.letters == {}


def test_the_newest_draft_counts_whatever_comes_first() -> None:
    _, theirs = pair()
    for at, content in ((2.0, "打架，三个人"), (1.0, "打架")):
        draft = DraftMessage(id=f"d{at}", at=at, number="T1", matter=Matter(content=content))
        theirs.feed(Heard("12345", draft), 5.0)
    handover = theirs.book.handovers[Key("12345", "in", "draft", "T1")]
    assert handover.matter == {"content": "打架，三个人"}
    assert [read(payload).kind for payload in theirs.out] == ["ack", "ack"]


def test_a_state_that_was_overtaken_changes_nothing() -> None:
    ours, _ = pair()
    ours.send("T1", 0.0)
    said: list[tuple[int, Any]] = [(2, "finished"), (1, "accepted"), (3, "returned")]
    for step, state in said:
        message = StateMessage(id=f"s{step}", at=1.0, number="T1", step=step, state=state)
        effects = ours.feed(Heard("110", message), 1.0)
        assert (Close("12345-T1", "110", "") in effects) is (state == "finished")
    assert ours.state("out", "T1") == "finished"
    # Whoever decides about a ticket has it: its own acknowledgement was lost.
    assert ours.book.letters["110", "ticket:T1:1"].delivery.acked_at == 1.0


def test_a_state_of_nothing_that_we_sent_is_refused() -> None:
    ours, _ = pair()
    message = StateMessage(id="s1", at=1.0, number="T9", step=1, state="accepted")
    ours.feed(Heard("110", message), 1.0)
    ack = read(ours.out[0])
    assert isinstance(ack, AckMessage)
    assert (ack.of, ack.error) == ("s1", "no ticket T9 was handed over")


def test_what_is_no_message_is_refused_where_it_has_an_id_and_else_left() -> None:
    ours, _ = pair()
    ours.hear(b'{"id": "x1", "at": 1, "kind": "ticket"}', 1.0)
    ours.hear(b"\xff\xfe", 1.0)
    ours.hear(b'{"id": "x 2"}', 1.0)
    (payload,) = ours.out
    ack = read(payload)
    assert isinstance(ack, AckMessage)
    assert ack.error is not None
    assert ack.error.startswith("ticket.")


def test_a_partner_who_is_silent_raises_an_alarm_and_is_told_again_and_again() -> None:
    ours, theirs = pair()
    ours.send("T1", 0.0)
    now = 0.0
    while now < 2 * ALARM_SECONDS:
        now = ours.deadline or now
        ours.due(now)
    assert [alarm.why for alarm in ours.alarms] == ["no acknowledgement"]
    payload = ours.out[-1]
    ours.out.clear()
    theirs.hear(payload, now)
    effects = ours.feed(Heard("110", read(theirs.out[0])), now)
    assert AlarmOver("110", "ticket:T1:1") in effects
    assert isinstance(ours.alarms[0], Alarm)


NETWORK = st.lists(
    st.tuples(
        st.sampled_from(["send", "back", "deliver", "lose", "repeat", "end", "give", "time"]),
        st.booleans(),
        st.integers(0, 9),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(NETWORK)
def test_each_ticket_arrives_exactly_once_whatever_the_network_does(
    script: list[tuple[str, bool, int]],
) -> None:
    """Lost, repeated and reordered messages, both ways; the network works again in the end."""
    ours, theirs = pair()
    now, sent = 0.0, {"12345": 0, "110": 0}
    for what, first, choice in script:
        now += 1.0
        one, other = (ours, theirs) if first else (theirs, ours)
        number = f"T{choice % max(1, sent[other.name])}"
        held = one.book.handovers.get(Key(other.name, "in", "ticket", number))
        match what:
            case "send":
                one.send(f"T{sent[one.name]}", now)
                sent[one.name] += 1
            case "deliver" | "lose" | "repeat" if one.out:
                payload = one.out[choice % len(one.out)]  # any of them: reordered
                if what != "repeat":
                    one.out.remove(payload)
                if what != "lose":
                    other.hear(payload, now)
            case "end" if held is not None:
                one.end(number, now)
            case "give" if held is not None and held.state in {"arrived", "accepted"}:
                one.decide(number, now, accepted=False, reason="退回")
            case "time":
                now += 10.0 * choice
                one.due(now)
            case _:
                pass
    settle(ours, theirs, now)
    _both_agree(ours, theirs, sent)


def _both_agree(ours: Side, theirs: Side, sent: dict[str, int]) -> None:
    for one, other in ((ours, theirs), (theirs, ours)):
        assert len(other.taken) == sent[one.name]
        assert len({taken.ticket_id for taken in other.taken}) == len(other.taken)
        for index in range(sent[one.name]):
            number = f"T{index}"
            assert one.state("out", number) == other.state("in", number)
        for letter in one.book.letters.values():
            assert letter.delivery.acked_at is not None or letter.delivery.alarmed
