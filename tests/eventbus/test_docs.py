import json
from dataclasses import fields
from pathlib import Path

import pytest

from eventbus import docs
from eventbus.catalogue import ALL_EVENTS


def test_the_page_is_up_to_date() -> None:
    assert docs.main(["--check"]) == 0, "run: python -m eventbus.docs"


def test_every_event_has_its_example_and_every_field_its_words() -> None:
    assert [type(example) for example in docs.EXAMPLES] == list(ALL_EVENTS)
    page = docs.render()
    for example in docs.EXAMPLES:
        section = page.split(f"## {example.name}\n")[1].split("\n## ")[0]
        shown = json.loads(section.split("```json\n")[1].split("```")[0])
        assert shown == json.loads(json.dumps(example.to_dict()))
        for field in fields(example):
            assert f"| `{field.name}` | " in section


def test_an_old_page_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "events.md"
    monkeypatch.setattr(docs, "PAGE", page)
    assert docs.main(["--check"]) == 1
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    page.write_text("old", encoding="utf-8")
    assert docs.main(["--check"]) == 1
    assert "python -m eventbus.docs" in capsys.readouterr().err
