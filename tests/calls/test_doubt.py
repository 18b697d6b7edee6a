"""Words that the recogniser was unsure of."""

from asr.ports import Word
from calls.doubt import doubtful


def test_only_unsure_words_that_were_not_written_otherwise() -> None:
    words = [
        Word("锦都", 0.0, 0.4, 0.35),
        Word("花园", 0.4, 0.8, 0.95),
        Word("二百", 0.8, 1.0, 0.4),
        Word("锦都", 1.0, 1.4, 0.3),
    ]
    assert doubtful(words, "锦都花园200号") == ("锦都",)
    assert doubtful([], "锦都") == ()
