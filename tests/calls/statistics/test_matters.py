"""What people call about today, and whether that is more than usual."""

from sqlalchemy.ext.asyncio import create_async_engine

from calls.statistics.matters import USUAL_SECONDS, UsualByNow, matters, usual_by
from tickets.store import metadata, tickets_table

DAY = 86_400.0
TODAY = 1_759_939_200.0  # midnight somewhere
NOON = TODAY + DAY / 2


async def test_a_topic_is_compared_with_other_days_by_this_time(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    assert await usual_by(engine, TODAY, NOON) == {}
    async with engine.begin() as connection:
        begun = [
            *((TODAY + n, "路灯") for n in range(5)),
            *((TODAY - DAY + n, "路灯") for n in range(2)),
            *((TODAY - 3 * DAY + n, "路灯") for n in range(3)),
            (TODAY - DAY + 50_000, "路灯"),  # in the afternoon, when today is not yet
            (TODAY - 3 * DAY + 9, "噪音"),
            (TODAY - 8 * DAY, "路灯"),  # too long ago
            (TODAY + 9, "物业"),
        ]
        rows = [
            {
                "id": f"t{number}",
                "call_id": f"c{number}",
                "status": "draft",
                "created_at": at,
                "updated_at": at,
                "category": category,
                "street": "城厢镇",
                "urgency": "普通",
                "secret": False,
                "fields": {},
            }
            for number, (at, category) in enumerate(begun)
        ]
        await connection.execute(tickets_table.insert(), rows)
    usual = await usual_by(engine, TODAY, NOON)
    assert usual == {"category": {"路灯": 2.5, "噪音": 0.5}, "street": {"城厢镇": 3.0}}
    found = await matters(engine, TODAY, TODAY + DAY, usual)
    assert found["topics"] == [
        {"name": "路灯", "count": 5, "usual": 2.5},
        {"name": "物业", "count": 1, "usual": 0.0},
    ]
    assert found["streets"] == [{"name": "城厢镇", "count": 6, "usual": 3.0}]
    tomorrow = TODAY + DAY
    early = tomorrow + 20.0
    kept = UsualByNow(engine)
    assert (await kept.at(TODAY, tomorrow - 1))["category"] == {"路灯": 3.0, "噪音": 0.5}
    assert await kept.at(tomorrow, early) == await usual_by(engine, tomorrow, early)
    assert await kept.at(tomorrow, early + USUAL_SECONDS - 1) == await usual_by(
        engine, tomorrow, early
    )
    unknown = await matters(engine, TODAY, TODAY + DAY)
    assert unknown["topics"][0] == {"name": "路灯", "count": 5, "usual": None}
    await engine.dispose()
