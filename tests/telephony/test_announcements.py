"""What is said to somebody who waits: numbers as people say them, and a file for every piece."""

from pathlib import Path

import cn2an
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.announcements import (
    LANGUAGES,
    LARGEST,
    NUMBERED,
    PLAIN,
    Language,
    chinese_digits,
    chinese_number,
    english_number,
    items,
    pieces,
)
from telephony.media.prompts import read_wav

FOLDER = Path(__file__).parents[2] / "config" / "prompts"


def texts(language: Language) -> dict[str, str]:
    lines = (FOLDER / language / "texts.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


ZH, EN = texts("zh"), texts("en")


def said(names: list[str], language: Language = "zh") -> str:
    written = {"zh": ZH, "en": EN}[language]
    return ("" if language == "zh" else " ").join(written[name] for name in names)


@pytest.mark.parametrize(
    "number, spoken",
    [
        (0, "零"),
        (2, "两"),
        (10, "十"),
        (12, "十二"),
        (20, "二十"),
        (22, "二十二"),
        (102, "一百零二"),
        (110, "一百一十"),
        (112, "一百一十二"),
        (200, "两百"),
        (222, "两百二十二"),
        (1001, "一千零一"),
        (1010, "一千零一十"),
        (2002, "两千零二"),
        (9999, "九千九百九十九"),
    ],
)
def test_chinese_numbers_before_a_measure_word(number: int, spoken: str) -> None:
    assert said(chinese_number(number)) == spoken


def test_all_chinese_numbers_are_those_of_a_library_but_for_two() -> None:
    for number in range(LARGEST + 1):
        expected = cn2an.an2cn(number, "low")
        if expected.startswith("一十"):
            expected = expected[1:]
        assert said(chinese_number(number)).replace("两", "二") == expected


@pytest.mark.parametrize(
    "number, spoken",
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty two"),
        (100, "one hundred"),
        (115, "one hundred and fifteen"),
        (1000, "one thousand"),
        (1001, "one thousand and one"),
        (2345, "two thousand three hundred and forty five"),
    ],
)
def test_english_numbers(number: int, spoken: str) -> None:
    assert said(english_number(number), "en") == spoken


@given(st.integers(0, LARGEST))
def test_english_numbers_can_be_read_back(number: int) -> None:
    total = hundreds = 0
    for piece in english_number(number):
        match piece:
            case "and":
                pass
            case "100" | "1000":
                total += hundreds * int(piece)
                hundreds = 0
            case _:
                hundreds += int(piece)
    assert total + hundreds == number


def test_whole_announcements() -> None:
    assert said(pieces("position", "zh", 2)) == "您前面还有两位来电人，请稍候"
    assert said(pieces("position", "zh", 0)) == "您是下一位，请稍候"
    assert said(pieces("wait-minutes", "zh", 12)) == "预计等候十二分钟"
    assert said(pieces("agent-number", "zh", 1023)) == "工号幺零二三为您服务"
    one = said(pieces("position", "en", 1), "en")
    assert one == "There is one caller before you. Please hold the line."
    assert said(pieces("wait-minutes", "en", 5), "en") == "You will wait for about five minutes."
    assert pieces("busy", "en") == ["busy"]
    assert said(chinese_digits(110)) == "幺幺零"


@pytest.mark.parametrize(
    "announcement, number",
    [("position", None), ("busy", 1), ("nothing", None), ("nothing", 1)],
)
def test_what_cannot_be_said(announcement: str, number: int | None) -> None:
    with pytest.raises(ValueError, match=announcement):
        pieces(announcement, "zh", number)


@pytest.mark.parametrize("number", [-1, LARGEST + 1])
@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_out_of_range(language: Language, number: int) -> None:
    with pytest.raises(ValueError, match="wanted 0…9999"):
        pieces("position", language, number)
    if number < 0:
        with pytest.raises(ValueError, match="wanted 0 or more"):
            pieces("agent-number", language, number)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_piece_has_its_text_and_its_sound_and_none_is_superfluous(
    language: Language,
) -> None:
    needed = set(PLAIN)
    for announcement in NUMBERED:
        for number in range(LARGEST + 1):
            needed.update(pieces(announcement, language, number))
    assert set(texts(language)) == needed
    sounds = {path.stem: path for path in (FOLDER / language).glob("*.wav")}
    assert set(sounds) == needed
    for name, path in sounds.items():
        pcm = read_wav(path)
        assert 0.15 < len(pcm) / 8000 < 15, name
        assert abs(pcm.astype(int)).max() > 8000, name


def test_items_are_what_the_media_process_plays() -> None:
    played = items(FOLDER, "position", "zh", 20)
    assert [item.file.name for item in played if item.file] == [
        *("position-before.wav", "2.wav", "10.wav", "position-after.wav"),
    ]
