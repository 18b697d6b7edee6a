"""What was said in a redacted span is left nowhere in the database, on both kinds of it."""

from sqlalchemy.ext.asyncio import AsyncEngine

from calls.redaction import BLACKENED, Span, taken_out
from tickets import blackening
from tickets.draft import TicketDraft, Utterance
from tickets.exchange.store import handovers_table, letters_table
from tickets.handling import TicketDesk
from tickets.life import Deadlines, Step
from tickets.store import TicketStore, metadata
from tickets.working_days import Calendar

SAID = "我姓陆电话是13862311002"
SPAN = Span(2.0, 4.0, "caller")


async def everything(engine: AsyncEngine) -> str:
    """All rows of all tables as one text."""
    async with engine.connect() as connection:
        return "\n".join(
            [
                str(row)
                for table in metadata.sorted_tables
                for row in await connection.execute(table.select())
            ]
        )


async def test_what_was_said_in_the_span_is_left_nowhere(engine: AsyncEngine) -> None:
    store = TicketStore(engine)
    draft = TicketDraft("t1", "13862311001")
    await store.create(draft, call_id="c1", agent_id="1001")
    draft.hear(Utterance("caller", "文昌路六十六号路灯坏了", 0.0, 2.0))
    await store.save(draft)
    draft.hear(Utterance("caller", SAID, 2.0, 4.0))
    await store.save(draft)
    await store.correct("t1", {"topic": "路灯"}, agent_id="1001")
    await store.submit("t1", agent_id="1001")
    desk = TicketDesk(engine, calendar=Calendar(), deadlines=Deadlines(), dispatch=True)
    passed = Step("pass_on", note="请回电13862311002", unit="城管局")
    await desk.step("t1", passed, who="1001")
    before = await everything(engine)
    assert "13862311002" in before
    async with store.begin() as connection:
        await blackening.redact(connection, "c1", taken_out(SPAN, [SAID]))
    left = await everything(engine)
    for gone in ("13862311002", "陆"):
        assert gone in before
        assert gone not in left
    ticket = await store.get("t1")
    assert ticket is not None
    assert ticket["fields"]["phone"]["value"] is None
    assert ticket["fields"]["name"]["evidence"] == BLACKENED
    assert ticket["fields"]["address"]["value"] == draft.fields["address"].value
    assert ticket["fields"]["topic"]["value"] == "路灯"
    assert await store.of_caller("13862311002") == []


async def test_what_an_agent_corrected_since_is_left_in_no_history(engine: AsyncEngine) -> None:
    store = TicketStore(engine)
    draft = TicketDraft("t1", None)
    await store.create(draft, call_id="c1", agent_id="1001")
    draft.hear(Utterance("caller", "我叫王小明电话是13862311002", 2.0, 4.0))
    draft.hear(Utterance("caller", "文昌路六十六号路灯坏了", 5.0, 7.0))
    await store.save(draft)
    heard = draft.values()
    corrections = {"name": "李四", "phone": "13900000000", "address": "文昌路68号"}
    await store.correct("t1", corrections, agent_id="1001")
    async with store.begin() as connection:
        words = ["我叫王小明电话是13862311002"]
        await blackening.redact(connection, "c1", taken_out(SPAN, words))
    left = await everything(engine)
    assert heard["name"] not in left
    assert heard["phone"] not in left
    changes = [
        (change["field"], change["before"], change["after"]) for change in await store.changes("t1")
    ]
    for entry in [
        ("name", None, BLACKENED),
        ("name", BLACKENED, "李四"),
        ("phone", BLACKENED, "13900000000"),
        ("address", heard["address"], "文昌路68号"),
    ]:
        assert entry in changes
    ticket = await store.get("t1")
    assert ticket is not None
    assert ticket["fields"]["name"]["value"] == "李四"


async def test_what_was_said_between_the_bits_of_a_value_leaves_it(engine: AsyncEngine) -> None:
    store = TicketStore(engine)
    draft = TicketDraft("t1", None)
    await store.create(draft, call_id="c1", agent_id="1001")
    draft.hear(Utterance("caller", "我住在太仓市城厢镇", 0.0, 2.0))
    draft.hear(Utterance("caller", "我的卡号是6222021001", 2.0, 4.0))
    draft.hear(Utterance("caller", "在县府街12号", 4.0, 6.0))
    await store.save(draft)
    before = await store.get("t1")
    assert before is not None
    assert "城厢镇" in before["fields"]["address"]["value"]
    assert "县府街12号" in before["fields"]["address"]["value"]
    async with store.begin() as connection:
        await blackening.redact(connection, "c1", taken_out(SPAN, ["我的卡号是6222021001"]))
    after = await store.get("t1")
    assert after is not None
    assert after["fields"]["address"] == before["fields"]["address"]
    first_bit = Span(1.0, 1.5, "caller")
    async with store.begin() as connection:
        await blackening.redact(connection, "c1", taken_out(first_bit, ["我住在太仓市城厢镇"]))
    gone = await store.get("t1")
    assert gone is not None
    assert gone["fields"]["address"]["value"] is None
    assert "城厢镇" not in await everything(engine)


async def test_what_partners_said_or_are_not_told_yet_goes_too(engine: AsyncEngine) -> None:
    store = TicketStore(engine)
    draft = TicketDraft("t1", None)
    await store.create(draft, call_id="c1", agent_id="1001")
    draft.hear(Utterance("caller", SAID, 2.0, 4.0))
    await store.save(draft)
    matter = {"name": "陆", "phone": "13862311002", "urgent": True, "content": "请回13862311002"}
    key = {"partner": "110", "number": "t1"}
    times = {"said_at": 1.0, "created_at": 1.0, "changed_at": 1.0}
    handover = {**key, **times, "direction": "out", "kind": "ticket", "state": "sent", "step": 1}
    letter = {"partner": "110", "created_at": 1.0, "attempts": 0, "alarmed": False}
    body = {"kind": "ticket", "id": "m1", "at": 1.0, "number": "t1", "matter": matter}
    other = {**body, "id": "m2", "number": "t2"}
    async with engine.begin() as connection:
        await connection.execute(
            handovers_table.insert().values(
                **handover, ticket_id="t1", reason="机主13862311002", matter=matter
            )
        )
        for one in (body, other):
            row = {**letter, "message_id": one["id"], "body": {**one, "reason": "机主13862311002"}}
            await connection.execute(letters_table.insert().values(row))
    async with store.begin() as connection:
        await blackening.redact(connection, "c1", taken_out(SPAN, [SAID]))
    left = {"name": None, "phone": None, "urgent": True, "content": f"请回{BLACKENED}"}
    async with engine.connect() as connection:
        [said] = (await connection.execute(handovers_table.select())).all()
        told = (await connection.execute(letters_table.select().order_by("message_id"))).all()
    assert (said.reason, said.matter) == (f"机主{BLACKENED}", left)
    assert (told[0].body["reason"], told[0].body["matter"]) == (f"机主{BLACKENED}", left)
    assert told[1].body["matter"] == matter  # of another ticket
