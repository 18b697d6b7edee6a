"""Administrators hear and replace what callers hear."""

from http import HTTPStatus

from tests.support.waves import mono_wav
from tests.web.house import House

URL = "/api/v1/prompts"


async def test_a_recording_is_heard_replaced_and_put_back(house: House) -> None:
    await house.prompts.lay_out()
    given = mono_wav(1.5, rate=16000)
    async with await house.signed_in("9001") as admin:
        (music, welcome) = (await admin.get(URL)).json()
        assert (music["name"], welcome["name"], welcome["seconds"]) == ("music", "zh.welcome", 1)
        assert welcome["text"] == "您好，这里是 12345"
        put = await admin.put(f"{URL}/zh.welcome", content=given)
        assert put.status_code == HTTPStatus.NO_CONTENT, put.text
        heard = await admin.get(f"{URL}/zh.welcome")
        assert (heard.content, heard.headers["Content-Type"]) == (given, "audio/wav")
        (change,) = (await admin.get("/api/v1/documents/prompts/changes")).json()["items"]
        assert (change["who"], change["subject"]) == ("9001", "recordings.zh.welcome")
        assert change["after"]["seconds"] == 1.5
        back = await admin.delete(f"{URL}/zh.welcome")
        assert back.status_code == HTTPStatus.NO_CONTENT
        assert (await admin.get(f"{URL}/zh.welcome")).content == mono_wav(1)
        assert (await admin.delete(f"{URL}/zh.welcome")).status_code == HTTPStatus.NOT_FOUND


async def test_what_cannot_be_played_is_refused(house: House) -> None:
    async with await house.signed_in("9001") as admin:
        wrong = await admin.put(f"{URL}/zh.welcome", content=mono_wav(1, channels=2))
        assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "2 channels" in wrong.json()["error"]["message"]
        nothing = await admin.put(f"{URL}/zh.nothing", content=mono_wav(1))
        assert nothing.status_code == HTTPStatus.NOT_FOUND
        assert (await admin.get(f"{URL}/zh.nothing")).status_code == HTTPStatus.NOT_FOUND
        assert (await admin.get(f"{URL}/..%2Fzh.x")).status_code >= HTTPStatus.NOT_FOUND
    assert house.prompts.book.version == 0
