import pytest

from tickets.burst import BurstRule, find_burst, places_of
from tickets.fields import FieldValue

RULE = BurstRule(3, 1800.0)


def ticket(ticket_id: str, address: str | None, phone: str) -> dict[str, object]:
    fields = {"address": FieldValue(address, "heard"), "phone": FieldValue(phone, "caller_id")}
    return {"id": ticket_id, "fields": {name: f.to_dict() for name, f in fields.items()}}


OTHERS = [
    ticket("t1", "璜泾镇荣文村3组", "13900000001"),
    ticket("t2", "荣文村", "13900000002"),
    ticket("t3", "解放路3号", "13900000003"),
    ticket("t4", None, "13900000004"),
]


def test_tickets_of_one_place_are_a_burst() -> None:
    burst = find_burst("荣文村12号", "公用事业", "t9", OTHERS, RULE)
    assert burst is not None
    assert (burst.place, burst.tickets) == ("荣文村", ("t1", "t2", "t9"))
    assert burst.urgency.level == "紧急"
    assert burst.urgency.reason == "集中：30分钟内荣文村公用事业3件"


@pytest.mark.parametrize("address", ["解放路5号", "中山路1号", None])
def test_few_tickets_are_none(address: str | None) -> None:
    assert find_burst(address, "公用事业", "t9", OTHERS, RULE) is None


def test_one_caller_counts_once_and_a_ticket_not_for_itself() -> None:
    again = [ticket(f"t{n}", "荣文村", "13900000001") for n in range(5)]
    assert find_burst("荣文村", "公用事业", "t9", again, RULE) is None
    assert find_burst("荣文村", "公用事业", "t2", OTHERS, RULE) is None


def test_a_district_is_no_place() -> None:
    assert places_of("金州区向阳街道红塔小区7号楼") == {"向阳街道", "红塔小区"}
