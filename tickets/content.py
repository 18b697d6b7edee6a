"""The matter in the citizen's own words: greetings and personal data left out."""

import re

_GREETING = re.compile(
    r"^(?:喂+|您好|你好|哎+|诶|嗯+|啊|哦|呃|额|那个|就是|这个|一二三四五|12345|热线|吗|是|请问一下(?=请问)|，|,)+"
)
_FILLER = re.compile(r"(?:嗯{2,}|呃+|额{2,}|啊{2,})")
_NOTHING = re.compile(
    r"(?:好|好的|行|可以|对|对的|是|是的|嗯|哦|啊|谢谢|谢谢你|谢谢您|麻烦了|麻烦你了|麻烦你们了|再见|拜拜|没有|没有了|不用|知道了|明白|那好|姓|叫|我|吧|了|呢|先生|女士|的)*"
)
_ABOUT_PHONE = re.compile(
    r"(?:你|您|请|就|可以|麻烦)*(?:打|联系|记|留|拨)?(?:我)?(?:的|另外|一个|换|这个|那个|别的)*(?:电话|手机|号码|座机|联系方式)?"
    r"(?:是|号|号码|不是这个|就是这个|那个)*"
)


def readable(text: str) -> str:
    """Return one utterance for the ticket, or "" if it says nothing of the matter.

    Args:
        text: the utterance with figures, where name and telephone number are blanked by spaces.
    """
    pieces = [
        piece
        for piece in (_FILLER.sub("", part).strip("，, ") for part in text.split(" "))
        if not _says_nothing(piece)
    ]
    return _GREETING.sub("", "，".join(pieces))


def join(utterances: list[str]) -> str:
    """Join what was said into one text."""
    said = [text.rstrip("，。") for text in utterances if text]
    return "，".join(said) + "。" if said else ""


def _says_nothing(piece: str) -> bool:
    bare = _GREETING.sub("", piece)
    return bool(_NOTHING.fullmatch(bare) or _ABOUT_PHONE.fullmatch(bare))
