"""The one thing to mend in Vosk's text: it parts all words by blanks, Chinese ones too. Pure."""

import re

# Han, kana, hangul, CJK and full-width punctuation: written without blanks between words.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_BLANK_IN_CJK = re.compile(rf"(?<=[{_CJK}])\s+(?=[{_CJK}])")


def join_words(text: str) -> str:
    """Take out the blanks between Chinese words; keep those beside Latin letters and digits.

    >>> join_words("我 姓 陆 ， 用 wifi 的")
    '我姓陆，用 wifi 的'
    """
    return _BLANK_IN_CJK.sub("", text)
