"""Slips of the tongue that a speaker mends himself: 37号不对是73号 means 73号.

So does 37号不是37号是73号.
"""

import re

from tickets.numerals import Figured

_UNIT = r"号楼|单元|号|幢|栋|座|室|楼|层|弄|组|点半?|月|日|块|元|万|次|年|路|期"
_SLIP = re.compile(
    rf"(?P<wrong>\d+(?P<unit>{_UNIT})[\u4e00-\u9fff]{{0,3}}?)"
    r"(?:，|哦|啊|呃|嗯|哎|诶)*(?:(?:不对|不是|说错了|错了|讲错了|我说错了|口误)(?:，|啊|哦|了)*)+"
    r"(?:(?P=wrong))?(?:应该)?(?:是|应该是|，)*(?=\d+(?P=unit))"
)


def repaired(said: Figured) -> Figured:
    """Return the text without the number that the speaker took back in the same breath."""
    text, origin = said.text, list(said.origin)
    while match := _SLIP.search(text):
        text = text[: match.start()] + text[match.end() :]
        del origin[match.start() : match.end()]
    return Figured(text, tuple(origin), said.spoken)
