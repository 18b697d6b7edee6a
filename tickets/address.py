"""An address that grows while its parts are said in any order, over several utterances."""

import re
from dataclasses import replace

from tickets.bare_places import bare_place
from tickets.numerals import Figured
from tickets.places import Place, find_places

_ASKED = re.compile(
    r"(?:什么|哪[个家条座所处片幢栋]?|哪一[个家条座所处片])"
    r"(?:小区|村|路|街|巷|弄|镇|乡|街道|社区|区|位置|地方|站|楼盘|商场|公园|广场|学校|中学|小学|大学|幼儿园|医院"
    r"|菜场|市场|工地|路口|桥|天桥|河|湖|高架|高速|服务区|停车场|车站|园区|工业园|超市|饭店|酒店|景区|大厦|写字楼"
    r"|地铁站|公交站|加油站|单元|组|队|方向|地段|位子)"
    r"|地址|哪里|哪儿|在哪|位置|地点|什么地方|哪个(?:小区|村|路|镇|街道|社区|区|位置|地方|站)|哪条路|哪一?段|哪一?块|什么路|哪个桥|哪座桥|哪栋|哪一栋|哪里人|哪一?家医院|哪个学校|哪个广场|哪边|几零几|几室|房号|房间号|哪一?户|几号|几幢|几栋|多少号|门牌|小区名|(?:小区|村)叫什么|住哪"
)
_CORRECTED = re.compile(r"不是|不对|说错|错了|应该是|更正|口误")
_ROOM = re.compile(r"(?<!\d)\d{3,4}(?=室?$)")
_ROOM_ASKED = re.compile(
    r"几零几|几室|房号|房间号|门牌|哪一?户|几号|几[幢栋]|多少号|哪一?室|哪一?间"
)
_ROOM_ANSWERED = re.compile(
    r"(?:嗯|啊|是|就是|在)*(?P<room>(?!(?:1[12]0|119|122)(?!\d))\d{3,4}(?:室|(?=$|，| |我|的)))"
)
_ROOM_CORRECTED = re.compile(
    r"(?:(?:不对|错了|说错了?|搞错了?|记错了?)(?:我说错了?|不对|不是|了|啊|哦|应该)*是?|不是(?:了|啊|哦|应该|\d{3,4})*是)"
    r"(?P<room>\d{3,4})(?![\d元块个天年月米号幢栋路万分])"
)
"""Not 不是1901 alone, which only denies, and may run into what follows: 不是7 401."""
_HOUSE_CORRECTED = re.compile(
    r"(?:不对|不是|不{2,}|错了|说错了?|搞错了?|记错了?)(?:我?(?:说|记|搞)错了?|了|啊|哦|应该|这个|\d+(?:号|幢|栋|单元|弄))*是?"
    r"(?P<right>\d+)(?P<unit>号楼(?![下上道梯])|号|幢|栋|单元|弄)"
)
_MOST_PARTS = 8
_BUILDING_OR_ROOM = re.compile(r"幢|栋|号楼|单元|座|室|\d{3,4}$")


class AddressEar:
    """Collects the parts of the place of the matter."""

    def __init__(self) -> None:
        self.parts: list[Place] = []
        self._words: list[str] = []
        self._asked = self._room_asked = False

    def agent(self, text: str) -> None:
        """Hear the agent: has he asked where?"""
        self._asked = bool(_ASKED.search(text))
        self._room_asked = bool(_ROOM_ASKED.search(text))

    def caller(self, said: Figured) -> bool:
        """Hear the citizen (names blanked); tell whether the address changed."""
        asked, self._asked = self._asked, False
        room_asked, self._room_asked = self._room_asked, False
        places = find_places(said.text, asked=asked)
        if not places and not self.parts and (bare := bare_place(said.text)):
            places = [bare]
        room = _ROOM_ANSWERED.match(said.text)
        alone = room is not None and room.end() == len(said.text)
        if room and ((room_asked and (places or self.parts)) or (asked and self.parts and alone)):
            unit = Place("unit", "", room["room"], room.start("room"), room.end("room"))
            if not any(place.start < unit.end < place.end for place in places):
                # 302我们是幸福家园3幢: the room belongs to what is named after it.
                places = [*(place for place in places if place.start >= unit.end), unit]
        changed = self.take(places, corrected=bool(_CORRECTED.search(said.text)))
        if changed and places:
            self._words.append(said.words(places[0].start, max(place.end for place in places)))
        return self.correct_house(said) or self.correct_room(said) or changed

    @property
    def evidence(self) -> str | None:
        """The words that the parts were read from."""
        return " … ".join(self._words) or None

    def confirm(self, said: Figured) -> bool:
        """Take over the places of an agent's question that the citizen said yes to.

        Returns:
            Whether the question named a place.
        """
        places = find_places(said.text)
        if self.take(places):
            self._words.append(said.words(places[0].start, max(place.end for place in places)))
        return bool(places)

    def correct_room(self, said: Figured) -> bool:
        """Take 不对是1901 after 17幢1801 for the right room; tell whether the address changed."""
        match = _ROOM_CORRECTED.search(said.text)
        if match is None:
            return False
        for index in range(len(self.parts) - 1, -1, -1):
            number = self.parts[index].number
            if _ROOM.search(number):
                right = _ROOM.sub(match["room"], number)
                self.parts[index] = replace(self.parts[index], number=right)
                self._words.append(said.words(match.start("room"), match.end("room")))
                return right != number
        return False

    def correct_house(self, said: Figured) -> bool:
        """Take 19号不是19号是91号 for the right house; tell whether the address changed."""
        changed = False
        for match in _HOUSE_CORRECTED.finditer(said.text):
            wrong = re.compile(rf"(?<!\d)\d+{match['unit']}")
            for index in range(len(self.parts) - 1, -1, -1):
                part = self.parts[index]
                if not (known := wrong.search(part.number)):
                    continue
                right = match["right"] + match["unit"]
                number = part.number
                number = number[: known.start()] + _said_once(right, number[known.end() :])
                changed = changed or number != part.number
                self.parts[index] = replace(part, number=number)
                break
        return changed

    def take(self, places: list[Place], *, corrected: bool = False) -> bool:
        """Add parts to the address; tell whether it changed."""
        before = list(self.parts)
        for place in places:
            self._add(place, corrected=corrected)
        del self.parts[_MOST_PARTS:]
        return self.parts != before

    @property
    def text(self) -> str | None:
        """The address: administrative parts first, coarse to fine, then the rest as spoken."""
        ordered = sorted(self.parts, key=lambda part: part.rank)
        written = ""
        for index, part in enumerate(ordered):
            written += (part.link if index else "") + part.text
        return written or None

    def _add(self, place: Place, *, corrected: bool) -> None:
        if place.kind == "unit":
            self._add_unit(place, corrected=corrected)
            return
        for index, known in enumerate(self.parts):
            if place.text in known.text:
                return
            same = known.name == place.name
            if known.text in place.text or (same and place.number) or known.name in place.name:
                self.parts[index] = replace(place, link=known.link)
                return
            if corrected and known.kind == place.kind:
                self.parts[index] = replace(place, link=known.link)
                return
        self.parts.append(place)

    def _add_unit(self, place: Place, *, corrected: bool) -> None:
        for index in range(len(self.parts) - 1, -1, -1):
            known = self.parts[index]
            if known.kind in {"estate", "road", "loose", "village", "landmark"}:
                if place.number in known.number:
                    return
                if not known.number or corrected:
                    number = place.number
                elif _BUILDING_OR_ROOM.search(known.number) and "幢" in place.number + known.number:
                    number = known.number if "幢" in place.number else known.number + place.number
                else:
                    number = known.number + place.number
                self.parts[index] = replace(known, number=number)
                return


def _said_once(right: str, rest: str) -> str:
    """Join the right house and what follows it where it was said more than once already."""
    return right + rest.rpartition(right)[2]
