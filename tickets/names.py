"""Who is calling: 我姓陆, 免贵姓姚, 我叫张志芳弓长张志气的志芳草的芳, 沈女士."""

import re
from dataclasses import dataclass
from functools import cache

from pypinyin import lazy_pinyin

from tickets import rules
from tickets.lexicon import boundaries

_HAN = "\u4e00-\u9fff"
_TITLES = {
    "先生": "先生",
    "女士": "女士",
    "小姐": "女士",
    "太太": "女士",
    "阿姨": "女士",
    "大姐": "女士",
    "大妈": "女士",
    "奶奶": "女士",
    "大叔": "先生",
    "大爷": "先生",
    "师傅": None,
    "老师": None,
    "同志": None,
}
_TITLE = "|".join(_TITLES)

# Somebody else's name follows.
_OTHERS = re.compile(
    r"(?:他|她|人家|对方|老板娘?|经理|负责人|医生|护士|司机|房东|中介|队长|书记|主任|店主|业务员|店长|教练|邻居"
    r"|校长|保安|包工头|工头|客服|工作人员|民警|警察|领导|局长|科长|村长|院长|销售|驾驶员|女的|男的|那个人|这个人"
    r"|个人|同事|朋友|儿子|女儿|孩子|小孩|老公|老婆|爸爸?|妈妈?|父亲|母亲|户主|业主|租客|卖家|师傅|老师|同学)"
    r"(?:的)?(?:名字)?(?:好像)?(?:也)?(?:是|叫)?$"
)
_MYSELF = re.compile(
    r"我(?:就)?是(?:[^他她]{0,10}|(?:他|她|孩子|小孩|学生|老人|病人|患者)的?"
    r"(?:爸爸?|妈妈?|父亲|母亲|儿子|女儿|老公|老婆|爱人|家长|家属|爷爷|奶奶|外公|外婆|哥哥?|姐姐?|弟弟|妹妹|邻居|同事|朋友|老师|媳妇|女婿))$"
)  # 我是工地的保安姓…, 我是他女儿姓…
_ASKED = re.compile(
    r"贵姓|怎么称呼|如何称呼|称呼您|(?:叫|您|你|尊姓大|的|留|说|报|个|一下|下)(?:什么)?(?:名字|姓名)"
    r"|姓什么|叫什么(?!位置|地方|小区|店|路|公司|单位|厂|村)|您是哪位|哪位"
)
_ASKED_OTHERS = re.compile(
    r"(?:对方|他|她|老板|单位|公司|店|厂|中介|物业|健身房|会所|馆|卖家|房东|司机|医生|孩子|小孩|老人(?!家您)|网吧|机构|品牌|小区|学校|村|平台|商家|机构|企业|负责人|医院|楼盘)"
    r".{0,6}(?:叫什么|名字|姓什么|贵姓|名称)"
)
_FAMILY = re.compile(
    r"(?P<no>不)?(?:我|本人)?(?:免贵|鄙|敝|复|双|贵|小|就|是)?姓(?!名)(?:是|的是)?"
)
_GIVEN = re.compile(rf"我?名(?:叫|字是|字叫)?([{_HAN}]{{1,2}})")
_ONE_GIVEN = re.compile(
    rf"，?(?:单名(?:就|是|叫|一个?|字)+|(?:我的?)?名字(?:就|是)*[一单]个?字(?:是|叫)?)(?![都也不])([{_HAN}])"
)
"""诸葛 + 单名一个明."""
_NAME_FIRST = re.compile(rf"(?:嗯|啊|我是|我|是)*([{_HAN}])姓(?!什|啥|名|氏)")
_NAME_ALONE = re.compile(
    rf"([{_HAN}])(?:\1?(?:{_TITLE})|[{_HAN}]{{1,3}}的."
    r"|(?:电话|手机|号码|[零〇一二三四五六七八九幺 \d]{3}).*)?"
)
_ABOUT_SELF = re.compile(r"我|本人|免贵|复")
_CALLED = re.compile(rf"{_TITLE}|大夫|医生|[姐哥叔婶嫂姨总]$")
_RARE_ALONE = re.compile(
    rf"(?:[你您]们?就?[叫喊]我?)?(?P<name>[{_HAN}])"
    rf"(?:(?P=name)?(?P<title>{_TITLE})(?:吧|就好|就行|就可以|好了)?)?"
)
_SHOWN = re.compile(
    rf"(?P<name>[{_HAN}])(?:(?P=name)(?:{_TITLE})|三点水|两点水|(?!字?旁)[{_HAN}]{{1,2}}[旁头](?!边)|[上下左右][面边头]一?个?)"
)
"""A family name said again with a title, or shown by its parts: 粘粘先生, 汝三点水一个女."""
_POINTS_AT = re.compile(r"[这那][个边里种些位家]")  # 我们村姓这个的多
_NOT_FAMILY = re.compile(r"(?:[百同老他她大]|(?<!我们)(?<!我们俩)(?<!我们一家)(?<!我们全家)都)$")
_SOMEBODYS = re.compile(rf"[{_HAN}]的(?!我)")  # 那个姓李的打我
# Before 姓 these are no name: 百姓, 同姓, 他姓李, 高姓大名.
_NO_NAME_FIRST = frozenset("他她它你您谁百同男女老本外异双复大贵其都每哪某")
_FIRST_IS_OVER = re.compile(r"$|[，。、 ]|我|叫|电话|手机|号码")
_FILLERS = re.compile(r"(?:[嗯啊哦哎欸喂对是那]|[你您]好|我?(?:这边|这里|这儿)|我?就是?|我是)*")
_OF_HIMSELF = re.compile(r"我姓|我是姓|我叫|免贵|本人姓|不对|不是|错|应该")
_FULL = re.compile(
    r"(?:我|本人|我的?名字|姓名|名字|全名)(?:就)?(?:叫做?|是叫|名叫|叫作)|(?:我的?|本人)(?:名字|姓名|全名)(?:就)?是?"
    r"|(?<![他她])姓名(?:是|叫)?"
)
_CALL_ME = re.compile(
    rf"(?:叫|喊|称呼|是)我?(?:小|老|阿)([{_HAN}])(?=$|就|吧|好|行|呀|啊|的|我|你|您)"
)
_WITH_TITLE = re.compile(
    rf"(?:我是|我叫|叫我|这里是|本人是?|我就是)?(?P<name>[{_HAN}]{{1,3}}?)(?P<title>{_TITLE})"
)
_LEAD = re.compile(
    r"^(?:嗯+|啊|哦|噢|喔|诶|哎|呃|额|那个|好的|好|行|可以|对|是的|您好|你好|我的|我|本人|免贵|就|是|叫|做|名字|姓名|姓)*"
)
# 焉加个耳朵旁 tells of another character than 焉.
_EXPLAINED = re.compile(
    rf"([{_HAN}]{{1,3}})的([{_HAN}])(?!再?(?:加|去掉|换|上面|下面|左边|右边|外面|里面))"
)
_OF_SEX = re.compile(r"我(?:就)?是(?:个|位|一个)?(?P<sex>男|女)(?:的|同志|士|生|人)")
# After these a given name is over.
_OVER = frozenset(
    "我你您他她住在是的电手想要这那就也了嘛啊呢吧哈呀啦，,、 先女身我今请问家没有不和跟"
)
# These are in no given name.
_NEVER_GIVEN = frozenset(
    "叫姓不了的我你您他她在就也都吗呢吧啊哦嗯呀啦这那个们到说过着被把给跟没很是吃打什么哪谁"
)


@dataclass(frozen=True, slots=True)
class NameHeard:
    """A name, or only its family part, and how the person is addressed.

    Attributes:
        name: the name as it should be written; None when only a title was heard.
        title: 先生, 女士 or None.
        start: where the words begin in the utterance.
        end: where they end.
    """

    name: str | None
    title: str | None
    start: int
    end: int


class NameEar:
    """Listens for the citizen's name; knows whether the agent has just asked for it."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._asked = False

    def agent(self, text: str) -> NameHeard | None:
        """Hear the agent: his question, or his way of addressing the citizen (陆先生您好)."""
        if _ASKED_OTHERS.search(text):
            self._asked = False
        elif _ASKED.search(text):
            self._asked = True
        heard = _addressed(text) or self._known(text)
        if heard is None or heard.name is None:
            return self._titled_only(text)
        if self.name is None:
            self.name = heard.name
            return heard
        if self.name.startswith(heard.name) or heard.name.startswith(self.name):
            return NameHeard(None, heard.title, heard.start, heard.end)
        return None

    def _titled_only(self, text: str) -> NameHeard | None:
        """Find the title alone in 先生您贵姓: the agent hears whom he talks to."""
        match = _TITLED_QUESTION.search(text)
        return NameHeard(None, match[1], match.start(1), match.end(1)) if match else None

    def _known(self, text: str) -> NameHeard | None:
        """Find a rare name, known already, with a title: 由先生请核对一下."""
        match = self.name and re.search(rf"{re.escape(self.name[0])}(先生|女士)", text)
        if not match:
            return None
        return NameHeard(self.name, _TITLES[match[1]], match.start(), match.end())

    def caller(self, text: str) -> NameHeard | None:
        """Hear the citizen; return what was learnt about his name, or None."""
        asked, self._asked = self._asked, False
        heard = _introduced(text) or (_answered(text) if asked else None)
        if heard is None:
            return self._spelled(text) or _of_sex(text)
        if heard.name is None:
            return heard
        name = _respelled(heard.name, text[heard.end :])
        if self._is_less(name) and not asked and not _OF_HIMSELF.search(text):
            return None
        if self.name and self.name.startswith(name):
            name = self.name  # 张志芳, later only 我姓张
        self.name = name
        title = heard.title or _titled(text, name)
        return NameHeard(name, title, heard.start, _end_of_spelling(text, heard.end, name))

    def _is_less(self, name: str) -> bool:
        """Tell whether a family name alone would take the place of another full name."""
        known = self.name or ""
        return len(name) == 1 < len(known) and not known.startswith(name)

    def _spelled(self, text: str) -> NameHeard | None:
        """Take 弓长张 after the agent asked which Zhang."""
        if self.name is None:
            return None
        title = _titled(text, self.name)
        name = _respelled(self.name, text) if len(text) <= _SHORT_ANSWER else self.name
        if name == self.name:
            return NameHeard(None, title, 0, 0) if title else None
        self.name = name
        return NameHeard(name, title, 0, len(text))


_TITLED_QUESTION = re.compile(
    r"(?:^|您好|你好|请问|好的|那)(?:您|你|是)?(先生|女士)(?:您|你|请|贵|怎么|如何|在|，|是吧|对吧|是吗|对吗|吧|吗)"
)
_SHORT_ANSWER = 14
_AS_FAMILY = {"覃": "qin"}  # how it is read as a family name, where elsewhere otherwise
_TWO = 2  # characters of an ordinary given name


def family_of(text: str) -> str | None:
    """Return the family name that ``text`` begins with, compound ones first."""
    for length, known in ((2, _compound()), (1, _single())):
        if text[:length] in known:
            return text[:length]
    return None


@cache
def _single() -> frozenset[str]:
    return rules.word_set("surnames", "single")


@cache
def _compound() -> frozenset[str]:
    return rules.word_set("surnames", "compound")


@cache
def _parts() -> tuple[re.Pattern[str], dict[str, str]]:
    data = rules.load("surnames")
    spelled: dict[str, str] = data["spelled"] | data["spelled_given"]
    longest_first = sorted(spelled, key=len, reverse=True)
    return re.compile(rf"({'|'.join(longest_first)})([{_HAN}])"), spelled


def _of_sex(text: str) -> NameHeard | None:
    """Hear 我是男的 after the agent took him for a lady."""
    match = _OF_SEX.search(text)
    title = match and ("先生" if match["sex"] == "男" else "女士")
    return NameHeard(None, title, match.start(), match.end()) if match else None


def _introduced(text: str) -> NameHeard | None:
    """Find 我姓…, 我叫…, 我是…女士 and the like; the last one counts, being the correction."""
    found: NameHeard | None = None
    for match in _FULL.finditer(text):
        name = _full_name(text[match.end() :]) or _foreign_name(text[match.end() :])
        if name and not _OTHERS.search(text[: match.start()]):
            found = NameHeard(name, None, match.start(), match.end() + len(name))
    for match in _FAMILY.finditer(text):
        if _is_others(text, match):
            continue
        heard = _spelled_family(text, match) or _after_family(text, match)
        if heard and heard.name and not (found and (found.name or "").startswith(heard.name)):
            found = heard
    if found is None:
        found = (
            _nicknamed(text) or _self_titled(text) or _explained_alone(text) or _family_first(text)
        )
    return found


def _is_others(text: str, match: re.Match[str]) -> bool:
    """Tell whether 姓 is said of somebody else, or denied."""
    before = text[: match.start()]
    himself = re.match(r"我|本人|鄙|敝|免贵", match[0])  # 他是我老公我姓秦
    others = _OTHERS.search(before) and not himself and not _MYSELF.search(before)
    if match[0] == "复姓" and re.search(rf"(?:{'|'.join(sorted(_compound()))})是个?$", before):
        return True  # 司徒是复姓 explains, 敏 of 敏捷的敏 is no name
    somebody = (
        not _FILLERS.fullmatch(before) and not himself and _SOMEBODYS.match(text, match.end())
    )
    alike = not himself and _NOT_FAMILY.search(before)  # 我不怕他 + 我姓嵇
    return bool(match["no"] or alike or others or somebody)


def _after_family(text: str, match: re.Match[str]) -> NameHeard | None:
    after = text[match.end() :]
    family = family_of(after)
    if family is None:
        # A rare name, or one the recogniser misheard, is believed of himself (我姓…), when it is
        # explained or when nothing else follows it.
        himself = re.match(r"我|本人|免贵|我免贵", match[0]) and re.match(rf"[{_HAN}]", after)
        explained = after and (_explains(after[1:], after[0]) or _SHOWN.match(after))
        if not (_NAME_ALONE.fullmatch(after) or himself or explained):
            return None
        if after[0] in "什啥氏不" or (_POINTS_AT.match(after) and not himself):
            return None
        family = after[0]
    end = match.end() + len(family)
    full = re.match(rf"(?:我|名字|就|全名)?(?:叫|名)?({family}[{_HAN}]{{1,2}})", text[end:])
    if _explains(text[end:], family):
        full = None
    if full and not full[1].startswith(tuple(family + title for title in _TITLES)):
        name = _full_name(text[end + full.start(1) :], family)
        if name:
            return NameHeard(name, None, match.start(), end + full.start(1) + len(name))
    given = _ONE_GIVEN.match(text, end) or _GIVEN.match(text, end)
    if given:
        return NameHeard(family + given[1], None, match.start(), given.end())
    if _ABOUT_SELF.match(match[0]) and (whole := _in_full_before(text, match.start(), family)):
        return whole
    return _in_full_after(text, match.start(), end, family) or NameHeard(
        family, None, match.start(), end
    )


def _in_full_before(text: str, end: int, family: str) -> NameHeard | None:
    """Find the full name that the family name explains: 夏侯建复姓夏侯, not 李大夫我姓李."""
    lead = _LEAD.match(text, 0, end)
    start = lead.end() if lead else 0
    name = text[start:end]
    if not name.startswith(family) or _full_name(name) != name or _CALLED.search(name):
        return None
    return NameHeard(name, None, start, end + len(family))


def _in_full_after(text: str, start: int, end: int, family: str) -> NameHeard | None:
    """Find the full name said after the family name and how it is written: 姓方方圆的方叫方圆圆."""
    spelling, parts = _parts()
    spelled = spelling.match(text, end)
    explained = _explains(text[end:], family)
    if spelled and _sounds_like(parts[spelled[1]], spelled[2]):
        end = spelled.end()
    elif explained:
        end += explained.end()
    said = re.match(rf"(?:我|名字|全名|就|的)*(?:是)?叫?(?:做)?(?={family})", text[end:])
    name = _full_name(text[end + said.end() :]) if said else None
    if name is None or name == family * 2:
        return None
    return NameHeard(name, None, start, end + (said.end() if said else 0) + len(name))


def _spelled_family(text: str, match: re.Match[str]) -> NameHeard | None:
    """Find the family name of 姓弓长张."""
    spelling, parts = _parts()
    spelled = spelling.match(text, match.end())
    if spelled is None or not _sounds_like(parts[spelled[1]], spelled[2]):
        return None
    family = parts[spelled[1]]
    in_full = _in_full_after(text, match.start(), spelled.end(), family)
    return in_full or NameHeard(family, None, match.start(), spelled.end())


def _nicknamed(text: str) -> NameHeard | None:
    for match in _CALL_ME.finditer(text):
        if match[1] in _single() and ("叫" in match[0] or "喊" in match[0] or "我是" in text):
            full = re.match(
                rf"(?:就|吧|好|行|呀|啊|的|我|叫|是)*(?={match[1]})", text[match.end() :]
            )
            rest = text[match.end() + full.end() :] if full else ""
            name = None if _explanation(rest) == match[1] else _full_name(rest)  # 游泳的游
            if name and full:
                end = match.end() + full.end() + len(name)
                return NameHeard(name, None, match.start(), end)
            return NameHeard(match[1], None, match.start(), match.end())
    return None


def _self_titled(text: str) -> NameHeard | None:
    for match in _WITH_TITLE.finditer(text):
        name = match["name"]
        family = family_of(name)
        itself = match.start("name") > match.start() or match.span() == (0, len(text))
        if itself and family and (family == name or len(name) > len(family)):
            return NameHeard(name, _TITLES[match["title"]], match.start(), match.end())
    return None


def _family_first(text: str) -> NameHeard | None:
    """Find a family name said before 姓 and spelt after it: 裘姓求衣裘, 谯姓言字旁."""
    match = _NAME_FIRST.match(text)
    if match is None or match[1] in _NO_NAME_FIRST:
        return None
    name, after = match[1], text[match.end() :]
    explained = _explanation(after) == name or re.match(
        rf"(?:{name}|[{_HAN}])?[{_HAN}]字?旁|[{_HAN}]{{1,2}}{name}(?:$|[，。 ]|我|的{name})", after
    )
    if not explained and not (name in _single() and _FIRST_IS_OVER.match(after)):
        return None
    return NameHeard(name, None, match.start(1), match.end())


def _explained_alone(text: str) -> NameHeard | None:
    """Find a full name that the utterance begins with and explains: 鲁晓燕拂晓的晓燕子的燕."""
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    name = _full_name(text[start:])
    if name is None or _explanation(text[start + len(name) :]) not in set(name):
        return None
    return NameHeard(name, None, start, start + len(name))


def _addressed(text: str) -> NameHeard | None:
    """Find how an agent addresses the citizen: 好的陆先生, 欧阳女士您好."""
    for match in re.finditer(r"先生|女士", text):
        for length in (4, 3, 2, 1):
            start = match.start() - length
            name = text[max(0, start) : match.start()]
            family = family_of(name) if start >= 0 else None
            if family == name or (family and _full_name(name) == name):
                return NameHeard(name, _TITLES[match[0]], start, match.end())
    return None


def _answered(text: str) -> NameHeard | None:
    """Read the answer to 贵姓, which may be nothing but the name."""
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    # 何, 好 and 是 are fillers and names: when nothing is left, take the last one back.
    rest = text[start:]
    family = family_of(rest)
    if family is None:
        return _rare_answer(rest, start)
    after = rest[len(family) :]
    title = re.match(rf"(?:{_TITLE})", after)
    end = start + len(family)
    explained = re.match(rf"[{_HAN}]{{1,4}}的{family}", after)
    if not after or explained:
        return NameHeard(family, None, start, end)
    if title:
        return NameHeard(family, _TITLES[title[0]], start, end + title.end())
    name = _full_name(rest)
    if name and (len(after) + len(family) == len(name) or _is_over(rest, len(name))):
        return NameHeard(name, None, start, start + len(name))
    if after[0] in _OVER or after.startswith(family):
        return NameHeard(family, None, start, end)
    return None


def _rare_answer(text: str, start: int) -> NameHeard | None:
    """Take a rare family name that is the whole answer, or that it explains: 居, 公公平的公."""
    alone = _RARE_ALONE.fullmatch(text)
    if alone and alone["name"] in rules.word_set("surnames", "rare"):
        title = alone["title"] and _TITLES[alone["title"]]
        return NameHeard(alone["name"], title, start, start + len(text))
    if text and _explanation(text[1:]) == text[0]:
        return NameHeard(text[0], None, start, start + 1)
    return None


def _is_over(text: str, length: int) -> bool:
    rest = text[length:]
    if not rest or rest[0] in _OVER or rest[0] in text[:length]:
        return True  # 俞可平 + 俞是俞敏洪的俞
    spelling, _ = _parts()
    return bool(spelling.match(rest) or _explanation(rest) or re.match(rf"{_TITLE}", rest))


def _explanation(text: str) -> str | None:
    """Return the character that 桂花的桂 explains, if the text begins so."""
    match = _EXPLAINED.match(text)
    return match[2] if match and match[2] in match[1] and len(match[1]) > 1 else None


def _explains(text: str, name: str) -> re.Match[str] | None:
    """Find the words that explain ``name`` at the beginning: 操场的操, 东方朔的东方."""
    name = re.escape(name)
    return re.match(rf"(?=[^的嘅]{{0,3}}{name})[{_HAN}]{{2,4}}[的嘅]{name}", text)


def _foreign_name(text: str) -> str | None:
    """Return a name of two to four characters, no family's, each of which is explained in turn.

    才让人才的才让座的让: peoples without family names are asked how theirs is written. One
    explanation is not enough: 我叫人来拉人的人 calls for somebody.
    """
    return next((text[:n] for n in range(2, 5) if _explains_each(text[n:], text[:n])), None)


def _explains_each(text: str, name: str) -> bool:
    for character in name:
        explained = _explains(text, character)
        if explained is None:
            return False
        text = text[explained.end() :]
    return True


def _full_name(text: str, family: str | None = None) -> str | None:
    """Return the full name that ``text`` begins with: a family name and one or two more.

    Args:
        text: what begins with the name.
        family: the family name, where it has been told already.
    """
    family = family or family_of(text)
    if family is None:
        return None
    after = text[len(family) :]
    given = 0
    for character in after[:2]:
        if not re.match(rf"[{_HAN}]", character) or character in _NEVER_GIVEN:
            break
        given += 1
    if given == 0 or re.match(rf"{_TITLE}", after):
        return None
    if given > 1 and (after[1:].startswith(family) or _is_short(after)):
        given = 1
    return text[: len(family) + given]


def _is_short(after: str) -> bool:
    """Tell whether a given name has one character, looking at what follows the family name."""
    spelling, _ = _parts()
    if _explanation(after[2:]):
        return False  # 海燕 + 大海的海, not 海 + 燕大海的海
    if after[1] in _OVER or _explanation(after[1:]) == after[0]:
        return True
    if spelling.match(after[1:]) or re.match(rf"{_TITLE}", after[1:]):
        return True
    if not after[2:] or spelling.match(after[2:]):
        return False
    return _TWO not in boundaries(after)


def _respelled(name: str, rest: str) -> str:
    """Correct characters that sound alike by the way the citizen spells them.

    张志方 + 弓长张志气的志芳草的芳 → 张志芳.
    """
    spelling, parts = _parts()
    meanings = [parts[match[1]] for match in spelling.finditer(rest)]
    meanings += [match[2] for match in _EXPLAINED.finditer(rest) if match[2] in match[1]]
    characters = list(name)
    for meant in meanings:
        if meant in characters:
            continue
        for index, character in enumerate(characters):
            if _sounds_like(meant, character):
                characters[index] = meant
                break
    return "".join(characters)


@cache
def _sound(character: str) -> str:
    return _AS_FAMILY.get(character) or str(lazy_pinyin(character)[0])


def _sounds_like(one: str, other: str) -> bool:
    return one == other or _sound(one) == _sound(other)


def _end_of_spelling(text: str, end: int, name: str) -> int:
    """Return where the title and the spelling that follow a name end."""
    spelling, _ = _parts()
    titled = re.compile(rf"(?:{re.escape(name)}|{re.escape(name[:1])})(?:{_TITLE})|(?:{_TITLE})$")
    while True:
        match = spelling.match(text, end) or titled.match(text, end)
        if match is None:
            match = _EXPLAINED.match(text, end)
            if match is None or match[2] not in match[1]:
                return end
        end = match.end()


def _titled(text: str, name: str) -> str | None:
    """Return the title said with this name: 我姓陆陆先生."""
    family = family_of(name) or name[:1]
    match = re.search(rf"(?:{re.escape(name)}|{re.escape(family)})({_TITLE})", text)
    return _TITLES[match[1]] if match else None
