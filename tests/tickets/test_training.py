"""Learning categories from closed tickets: tables, training, the model folder, the commands."""

import csv
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tickets.__main__ import main
from tickets.model import BadModel, Model
from tickets.table import BadTable, Example, read_names, read_tickets
from tickets.terms import count, shipped_concepts
from tickets.training import FOLDS, Trainer

PLACES = ("文昌路", "东亭", "城厢", "双凤", "沙溪", "浮桥", "璜泾", "浏河")
MATTERS = {
    "环境": ("工厂排放废气很臭", "河里的污水发黑", "夜里施工噪音太大"),
    "教育": ("小学招生不公平", "幼儿园收费太高", "老师课后补课"),
    "交通": ("公交车很久不来", "出租车司机拒载", "公路路面坑洼"),
}


def tickets() -> Iterator[tuple[str, str, str]]:
    """Title, content and label; every one different."""
    for (label, matters), place in itertools.product(MATTERS.items(), PLACES):
        for matter in matters:
            yield matter, f"{place}这里{matter},请处理", label


def table(rows: object = None, header: tuple[str, ...] = ("标题", "内容", "类别")) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *(tickets() if rows is None else rows)])  # type: ignore[misc]
    return text.getvalue()


def examples() -> list[Example]:
    return [Example((title, text), label) for title, text, label in tickets()]


@pytest.fixture(scope="module")
def model() -> Model:
    return Trainer(examples()).fit(scale=4.0)


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def train(path: Path, *more: str) -> list[str]:
    out = str(path.with_name("out"))
    columns = ["--text", "标题", "--text", "内容", "--label", "类别"]
    return ["train", str(path), *columns, "--out", out, *more]


# --- terms ------------------------------------------------------------------------------------


def test_terms_are_character_pairs_and_concepts() -> None:
    counts = count("小学 ＡB小学", {"学校": ("小学", "校长"), "医院": ("医院",)})
    assert counts["characters"]["小学"] == 2
    assert counts["characters"]["AB"] == 1
    assert counts["concepts"] == {"学校": 2}


def test_concepts_are_many_and_words_are_not_repeated() -> None:
    concepts = shipped_concepts()
    assert len(concepts) >= 50
    assert all(words and all(words) for words in concepts.values())


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_tables_in_the_usual_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes((table() + "\r\n\r\n").encode(encoding))
    read = read_tickets(path, texts=["标题", "内容"], label="类别", least=FOLDS)
    assert list(read) == examples()


def test_a_bad_table_is_told_with_line_and_column(tmp_path: Path) -> None:
    good = list(tickets())
    cases: list[tuple[bytes, str]] = [
        (b"", "t.csv:1: no column '标题'"),
        (
            table(header=("题", "内容", "类别")).encode(),
            "t.csv:1: no column '标题'; the columns are 题",
        ),
        (table(header=("标题", "标题", "类别")).encode(), "t.csv:1: more than one column '标题'"),
        (table([*good[:2], ("a", "b\nc", " "), ("x", "y", "")]).encode(), "t.csv:4: column '类别'"),
        (table([*good[:1], (" ", "", "交通")]).encode(), "t.csv:3: column '标题' and '内容' is"),
        (table([*good[:1], ("a", "b")]).encode(), "t.csv:3: 2 cells where line 1 has 3"),
        (table([*good, *[("a", "b", "少")] * 9]).encode(), "t.csv:74: label '少' of column '类别'"),
        (table(good[:24]).encode(), "needs at least two labels, has 1"),
        (table().encode() + b'"open,b,c\r\nd', "t.csv:74: unexpected end of data"),
        (table().encode() + b"\xff\xff,b,c\r\n", "t.csv:74: neither UTF-8 nor GBK"),
        (table().encode("utf-16"), "t.csv:1: neither UTF-8 nor GBK"),
    ]
    path = tmp_path / "t.csv"
    for data, message in cases:
        path.write_bytes(data)
        with pytest.raises(BadTable) as caught:
            read_tickets(path, texts=["标题", "内容"], label="类别", least=FOLDS)
        assert message in str(caught.value)


def test_names_come_from_the_level_that_holds_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_text("一级,二级,三级\n城市,环境,噪音\n城市,环境,废气\n城市,交通,\n别的,党务,环境\n")
    assert read_names(path, ["环境", "交通"]) == (
        Example(("噪音",), "环境"),
        Example(("废气",), "环境"),
        Example(("交通",), "交通"),
    )
    for text in ("一级,二级\n甲,乙\n", ""):
        path.write_text(text)
        with pytest.raises(BadTable, match="holds none of the labels 环境"):
            read_names(path, ["环境"])


# --- training ---------------------------------------------------------------------------------


def test_what_can_be_learnt_is_learnt(model: Model) -> None:
    report = Trainer(examples()).cross_validate(seeds=(0, 1))
    assert report.labels == ("交通", "教育", "环境")
    assert report.mean > 0.95
    assert report.confusion.sum() == 2 * len(examples())
    best, *others = model.rank(["学校里的老师体罚学生"])
    assert best.label == "教育"
    assert sum(guess.confidence for guess in (best, *others)) == pytest.approx(1)


def test_what_cannot_be_learnt_is_not() -> None:
    """Labels by lot: any leak from training to test would show as more than chance."""
    generator = np.random.default_rng(3)
    rows = [
        Example(("".join(chr(0x4E00 + c) for c in generator.integers(0, 999, 20)),), label)
        for label in "甲乙" * 60
    ]
    # Each text twice: only keeping the pairs in one fold stops them from being recognised.
    report = Trainer(rows + rows).cross_validate(seeds=(0, 1, 2))
    assert 0.35 < report.mean < 0.65


def test_the_fold_test_is_weighted_as_the_model_weighs(model: Model) -> None:
    """Training works on matrices, ``decide`` on one ticket: they must mean the same."""
    trainer = Trainer(examples())
    terms, idf = trainer._counts.learn(np.arange(len(examples())))
    matrix = trainer._counts.weighted(np.arange(len(examples())), terms, idf)
    expected = matrix @ model.coefficients.T + model.intercepts
    for row, example in zip(expected, examples(), strict=True):
        np.testing.assert_allclose(model.decide(example.texts), row, atol=1e-9)


def test_two_labels_and_names_of_the_tree() -> None:
    few = [example for example in examples() if example.label != "交通"]
    names = [Example(("学位",), "教育"), Example(("辐射",), "环境")]
    model = Trainer(few, names).fit(scale=4.0)
    assert [model.rank([text])[0].label for text in ("学位", "辐射")] == ["教育", "环境"]
    assert Trainer(few, names).cross_validate().confusion.sum() == len(few)


def test_nothing_known_is_ranked_without_confidence(model: Model) -> None:
    assert len(model.rank(["ξψ"])) == 3
    assert model.rank(["ξψ"])[0].confidence < 0.8


# --- the model folder -------------------------------------------------------------------------


def test_a_saved_model_ranks_alike(model: Model, folder: Path) -> None:
    loaded = Model.load(folder)
    for example in examples():
        assert loaded.rank(example.texts) == model.rank(example.texts)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.npz"]


def change(**changes: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        text: dict[str, Any] = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps(text | changes))

    return apply


def pickled(folder: Path) -> None:
    """Weights that would run code if they were unpickled, with the right checksum."""
    import hashlib  # noqa: PLC0415

    np.savez(folder / "weights.npz", idf=np.array([print], dtype=object))
    change(sha256=hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest())(folder)


@pytest.mark.parametrize(
    "damage,message",
    [
        (lambda folder: (folder / "model.json").write_bytes(b"\xff"), "model.json: "),
        (lambda folder: (folder / "model.json").write_text("[]"), "is not a category model"),
        (change(version=2), "has version 2"),
        (change(labels=["环境"]), "labels is missing or wrong"),
        (change(labels=["a", "b"]), "coefficients should be"),
        (change(scale=0), "scale is missing or wrong"),
        (change(terms={"characters": []}), "terms is missing or wrong"),
        (change(concepts={"x": "y"}), "concepts is missing or wrong"),
        (lambda folder: (folder / "weights.npz").write_bytes(b"x"), "is not the one"),
        (pickled, "allow_pickle=False"),
    ],
)
def test_a_damaged_model_is_refused(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(BadModel, match=message):
        Model.load(folder)


# --- the commands -----------------------------------------------------------------------------


def run(*arguments: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tickets", *arguments],
        input=text,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )


def test_train_reports_and_classify_uses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table())
    tree = tmp_path / "tree.csv"
    tree.write_text("环境,废气\n教育,招生\n交通,出租车\n")
    assert main(train(path, "--json", "--taxonomy", str(tree), "--repeats", "2")) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["taxonomy_rows"], report["folds"]) == (72, 3, FOLDS)
    assert report["accuracy"]["mean"] > 0.95
    assert len(report["accuracy"]["repeats"]) == 2
    assert [(entry["label"], entry["rows"]) for entry in report["labels"]] == [
        ("交通", 24),
        ("教育", 24),
        ("环境", 24),
    ]
    lines = [{"id": "a", "title": "公交车太挤", "text": ""}, {"id": 7, "text": "河水污染"}]
    text = "\n".join(map(json.dumps, lines)).encode() + b'\n\n{\n{"id": "b"}\n'
    done = run("classify", "--model", report["model"], "--json", text=text)
    assert done.returncode == 2
    errors = done.stderr.decode().splitlines()
    assert errors[0].startswith("tickets: line 4: Expecting property name")
    assert errors[1:] == ["tickets: line 5: title and text are both missing or empty"]
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["id"], first["label"], second["id"], second["label"]) == ("a", "交通", 7, "环境")
    assert len(first["top"]) == 3
    assert first["top"][0] == {"label": "交通", "confidence": first["confidence"]}


def test_training_twice_makes_the_same_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for name in ("first", "second"):
        path = tmp_path / name / "t.csv"
        path.parent.mkdir()
        path.write_text(table())
        assert main(train(path, "--repeats", "1")) == 0
        made.append([(path.with_name("out") / file).read_bytes() for file in ("model.json",)])
    assert made[0] == made[1]  # the checksum of the weights is in model.json
    assert "5-fold cross-validated accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line,message",
    [
        (b"\xff", "can't decode"),
        (b"[]", "not a JSON object"),
        (b'{"text": "x"}', "id is missing"),
        (b'{"id": true, "text": "x"}', "id is missing"),
        (b'{"id": "1", "text": 5}', "text is not text"),
        (b'{"id": "1", "title": " "}', "title and text are both missing or empty"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    line: bytes,
    message: str,
) -> None:
    text = io.TextIOWrapper(io.BytesIO(line + b'\n{"id": "2", "text": "x"}\n'))
    monkeypatch.setattr(sys, "stdin", text)
    assert main(["classify", "--model", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("tickets: line 1: ")
    assert message in printed.err
    assert printed.out.startswith("2\t")


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    assert main(train(path)) == 2
    assert "t.csv" in capsys.readouterr().err
    path.write_text(table(header=("标题", "内容", "类")))
    assert main(train(path)) == 2
    assert "t.csv:1: no column '类别'" in capsys.readouterr().err
    assert main(["classify", "--model", str(tmp_path)]) == 2
    assert "model.json" in capsys.readouterr().err


def test_rare_labels_are_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(table([*tickets(), ("路灯坏了", "没有亮", "设施")]), encoding="utf-8")
    assert main(train(path)) == 2
    assert f"--skip-rare {FOLDS}" in capsys.readouterr().err
    assert main(train(path, "--skip-rare", str(FOLDS), "--repeats", "1", "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {label["label"] for label in shown["labels"]} == set(MATTERS)
    assert main(train(path, "--skip-rare", "1000")) == 2
    assert "holds no ticket to learn from" in capsys.readouterr().err
