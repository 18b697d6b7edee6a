"""An address that grows while its parts are said in any order, over several utterances."""

import re
from dataclasses import replace

from tickets.numerals import Figured
from tickets.places import Place, find_places

_ASKED = re.compile(
    r"地址|哪里|哪儿|在哪|位置|地点|什么地方|哪个(?:小区|村|路|镇|街道|社区|区|位置|地方|站)|哪条路|哪一?段|哪一?块|什么路|哪个桥|哪座桥|哪栋|哪一栋|哪里人|哪一?家医院|哪个学校|哪个广场|哪边|几号|几幢|几栋|多少号|门牌|小区名|(?:小区|村)叫什么|住哪"
)
_CORRECTED = re.compile(r"不是|不对|说错|错了|应该是|更正|口误")
_MOST_PARTS = 8
_BUILDING_OR_ROOM = re.compile(r"幢|栋|号楼|单元|座|室|\d{3,4}$")


class AddressEar:
    """Collects the parts of the place of the matter."""

    def __init__(self) -> None:
        self.parts: list[Place] = []
        self._words: list[str] = []
        self._asked = False

    def agent(self, text: str) -> None:
        """Hear the agent: has he asked where?"""
        self._asked = bool(_ASKED.search(text))

    def caller(self, said: Figured) -> bool:
        """Hear the citizen (names blanked); tell whether the address changed."""
        asked, self._asked = self._asked, False
        places = find_places(said.text, asked=asked)
        changed = self.take(places, corrected=bool(_CORRECTED.search(said.text)))
        if changed:
            self._words.append(said.words(places[0].start, max(place.end for place in places)))
        return changed

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
