import pytest

from tests.support.cer import character_error_rate


def test_the_same_words_written_differently_are_no_error() -> None:
    assert character_error_rate("电话13706220010。", "电话 幺三七零六二二零零一零") == 0


@pytest.mark.parametrize(
    "heard, rate", [("西北街二百十八号", 1 / 9), ("", 1.0), ("西北街二百一十八号号", 1 / 9)]
)
def test_each_edit_counts_once(heard: str, rate: float) -> None:
    assert character_error_rate("西北街二百一十八号", heard) == pytest.approx(rate)


def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        character_error_rate("，", "喂")
