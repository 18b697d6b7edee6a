from pathlib import Path

import pytest

from tickets import rules
from tickets.draft import TicketDraft, Utterance
from tickets.urgency import LIFTED, BadRules, Urgency, judge, read_rules


@pytest.mark.parametrize(
    "said,partner",
    [
        ("我家隔壁着火了烟很大", "119"),
        ("仓库爆炸了", "119"),
        ("家里全是煤气味", "119"),
        ("我被困在电梯里了", "119"),
        ("有人站在楼顶要往下跳", "110"),
        ("有个人拿着刀追人", "110"),
        ("我家进贼了", "110"),
        ("我老母亲早上出门到现在没回来", "110"),
        ("我爸昏倒了叫不醒", "120"),
        ("我被蛇咬了", "120"),
        ("前面两辆车撞了", "122"),
        ("楼下摊位冒黑烟了", "119"),
        ("挖地把燃气管道挖破了呲呲地响", "119"),
        ("我老公胸口闷得厉害出了一身冷汗", "120"),
        ("麻烦派个救护车到工农路三号", "120"),
        ("我点了他发来的链接三万八被转走了", "110"),
        ("我家老爷子早上出去到天黑都没见人", "110"),
        ("路上翻了一辆大货车", "122"),
        ("刚给人家汇了二十万说我出车祸了是被骗了", "110"),
        ("我朋友上山跟我们走散了联系不上", "110"),
    ],
)
def test_danger_goes_to_a_partner(said: str, partner: str) -> None:
    urgency = judge(said)
    assert urgency.urgent
    assert urgency.transfer == partner
    assert urgency.reason
    assert urgency.words
    assert urgency.words in said


@pytest.mark.parametrize(
    "said",
    [
        "没有着火",
        "我怕着火",
        "去年我们这里着火了",
        "我们这里出过火灾",
        "万一爆炸怎么办",
        "请问打架怎么处罚",
        "小区里放烟花会不会引起火灾",
        "消防通道被堵了",
        "火车晚点了",
        "没有人受伤昏迷",
        "饭店的油烟冒到我家",
        "我在公司受伤了公司不给报工伤医药费",
        "我的狗走丢了",
        "要是广告牌掉下来砸到人谁负责",
        "万一哪天线路老化着火了怎么办",
        "如果老人在楼道里摔伤了怎么办",
        "昨天楼下着火了消防来过",
        "听说前面商场着火了是不是真的",
        "网上说那边爆炸了",
        "没有老人摔伤",
        "楼上漏水把我家吊顶都泡塌了",
        "燃气灶不漏气就是打不着",
        "那个厂天天晚上冒黑烟",
        "车开过去跟跳楼一样",
        "派出所把走丢的老父亲送回家了我要送面锦旗",
    ],
)
def test_what_can_wait(said: str) -> None:
    assert not judge(said).urgent


def test_a_hidden_danger_is_marked_and_stays_here() -> None:
    urgency = judge("井盖没有了很危险")
    assert (urgency.level, urgency.urgent, urgency.transfer) == ("一般", False, None)


def test_the_most_pressing_danger_decides() -> None:
    assert judge("车祸有人昏迷了").transfer == "120"


@pytest.mark.parametrize(
    "said",
    [
        "昨天晚上着火了现在还在冒烟",
        "本来以为没有着火现在烧起来了",
        "要是平时也就算了现在着火了",
        "他说要杀了我",
        "如果你们再不来人就要打起来了我被人拿刀砍人了",
    ],
)
def test_what_goes_on_is_pressing_whatever_else_is_said(said: str) -> None:
    assert judge(said).urgent


def test_hearsay_is_marked_and_calls_nobody() -> None:
    urgency = judge("听说前面商场着火了")
    assert (urgency.level, urgency.transfer) == ("一般", None)
    assert urgency.reason == "突发：火情或爆炸（传闻，待核实）"


def heard(*said: str) -> TicketDraft:
    draft = TicketDraft("x", None)
    for utterance in said:
        draft.hear(Utterance("caller", utterance))
    return draft


_PRESSING = ("urgent", "urgency", "urgency_reason", "transfer")


def pressing(draft: TicketDraft) -> tuple[object, ...]:
    values = draft.values()
    return tuple(values[name] for name in _PRESSING)


@pytest.mark.parametrize(
    "told,ended",
    [
        ("我家楼下着火了烟很大", "不是不是火已经灭了没事了"),
        ("三楼着火了", "我们把火扑灭了谢谢"),
        ("三楼着火了", "虚惊一场"),
        ("我孙女不见了找不到人", "哦哦找到了找到了她已经回来了"),
        ("有人被困在电梯里", "人已经出来了不用来了"),
        ("我们被困在电梯里了", "电梯门开了我们出来了"),
        ("厨房里全是煤气味", "不好意思闻错了是隔壁在刷油漆"),
        ("厨房里全是煤气味", "阀门关好了没有味道了"),
    ],
)
def test_a_danger_that_the_citizen_ends_waits_to_be_confirmed(told: str, ended: str) -> None:
    draft = heard(told)
    before = draft.values()
    assert before["urgent"]
    changes = {change.field: change for change in draft.hear(Utterance("caller", ended))}
    after = draft.values()
    assert (after["urgent"], after["urgency"]) == (False, "一般")
    assert after["transfer"] == before["transfer"]  # proposed still
    assert after["urgency_reason"] == before["urgency_reason"] + LIFTED
    words = changes["urgency"].evidence
    assert words
    assert words in ended


@pytest.mark.parametrize(
    "said,level,partner",
    [
        ("厨房着火了我们人已经出来了", "特急", "119"),
        ("着火了我刚刚出来了", "特急", "119"),
        ("楼上着火了老人刚刚救出来了火还很大", "特急", "119"),
        ("地下车库着火了烟很大刚才救出来了三个人", "特急", "119"),
        ("有个人要跳楼一直喊别过来", "特急", "110"),
        ("我不想活了你们别来了", "特急", "110"),
        ("有人跳楼刚刚下来了", "特急", "110"),
        ("孩子掉河里了找到了在水里", "特急", "110"),
        ("有个孩子掉水里了他妈妈回来了", "特急", "110"),
        ("一个男的拿刀砍人他刚刚出来了", "特急", "110"),
        ("拿刀的那个人回来了", "特急", "110"),
        ("老公要杀我他又回来了", "特急", "110"),
        ("煤气漏了火灭了煤气还在往外冒", "特急", "119"),
        ("我孩子不见了找到了一只鞋", "紧急", "110"),
        ("撞车了我没伤对方出血了", "紧急", "122"),
    ],
)
def test_nothing_in_the_same_breath_lowers_a_danger(said: str, level: str, partner: str) -> None:
    urgency = judge(said)
    assert (urgency.level, urgency.transfer) == (level, partner)


@pytest.mark.parametrize(
    "told,said",
    [
        ("家里着火了", "人都出来了"),
        ("家里着火了", "孩子出来了"),
        ("家里着火了", "我老公回来了"),
        ("家里着火了", "没事了"),
        ("家里着火了", "不是误报"),
        ("家里着火了", "不是虚惊一场"),
        ("家里着火了", "火灭了吧"),
        ("家里着火了", "火灭了快来"),
        ("家里着火了", "有没有火了我不知道"),
        ("家里着火了", "火应该灭了"),
        ("家里着火了我妈躺在地上", "火灭了"),
        ("仓库着火了爆炸了", "火灭了"),
        ("我爸心脏病发作倒在地上", "我妈回来了"),
        ("有个人倒在地上不动", "他自己醒过来了"),
        ("有人要跳楼", "他喊别过来"),
        ("有人要跳楼", "他刚刚下来了摔在地上"),
        ("我不想活了", "不用叫警察了"),
        ("我不想活了", "你们别来了"),
        ("我老公拿刀要砍我", "他回来了"),
        ("有人被绑架了", "他们说别叫警察了"),
        ("孩子掉河里了", "找到了在水里没动"),
        ("河里有人落水了", "刚刚救上来了没事了"),
        ("煤气泄漏了", "火灭了"),
        ("煤气泄漏了", "阀门关好了"),
        ("我孩子不见了", "找到了一只鞋"),
        ("我孩子不见了", "我老公回来了"),
        ("有人被困在电梯里", "出来了一个"),
        ("有人掉进窨井里出不来了", "人出来了"),
        ("厨房里全是煤气味我恶心想吐", "阀门关好了没有味道了"),
        ("两车相撞有人受伤", "没事了吧"),
        ("两辆车撞了", "我们都没受伤"),
        ("两辆车撞了", "我车上没有人受伤"),
        ("两辆车撞了", "有没有人受伤我不知道"),
        ("两辆车撞了他头晕", "没有人受伤"),
    ],
)
def test_what_is_said_of_something_else_lowers_nothing(told: str, said: str) -> None:
    before = pressing(heard(told))
    assert before[0]
    assert pressing(heard(told, said)) == before


@pytest.mark.parametrize(
    "said",
    ["我没受伤对方躺在地上", "我没事可是骑电瓶车的那个起不来了", "我没受伤但是他不动了"],
)
def test_that_he_himself_is_unhurt_says_nothing_of_others(said: str) -> None:
    assert (judge(said).level, judge(said).transfer) == ("特急", "120")
    assert pressing(heard("两辆车撞了", said))[1] == "特急"


def test_the_end_of_one_danger_leaves_the_others() -> None:
    draft = heard("家里着火了", "我孙女也不见了", "火灭了")
    assert pressing(draft) == (True, "紧急", "敏感：有人走失", "110")


def test_a_yes_to_whether_it_is_over_may_be_the_beginning_of_a_no() -> None:
    draft = heard("家里着火了")
    draft.hear(Utterance("agent", "火灭了吗"))
    draft.hear(Utterance("caller", "是这样的烟大得很"))
    assert draft.values()["urgency"] == "特急"


@pytest.mark.parametrize("said", ["没有人受伤", "人都没事", "都没受伤", "双方没受伤"])
def test_nobody_is_hurt_only_where_it_is_said_of_everybody(said: str) -> None:
    draft = heard("两辆车撞了", said)
    assert pressing(draft) == (False, "一般", "突发：交通事故（无人受伤）", "122")
    draft.hear(Utterance("caller", "他现在说头疼"))
    assert draft.values()["urgency"] == "紧急"


@pytest.mark.parametrize(
    "said",
    [
        "火还没灭",
        "孩子还没有找到",
        "电梯里的人出来了吗",
        "要是灭了就好了",
        "他又着了火又烧起来了",
        "我姓陆",
        "没有人受伤",
        "火灭了但是楼上又炸了",
    ],
)
def test_what_goes_on_is_not_eased(said: str) -> None:
    draft = TicketDraft("x", None)
    draft.hear(Utterance("caller", "三楼着火了"))
    draft.hear(Utterance("caller", said))
    assert draft.values()["urgent"]


def test_danger_told_again_after_it_was_taken_back_is_raised_again() -> None:
    draft = TicketDraft("x", None)
    for said in ("三楼着火了", "火已经灭了", "又烧起来了火很大"):
        draft.hear(Utterance("caller", said))
    assert (draft.values()["urgency"], draft.values()["transfer"]) == ("特急", "119")


def test_an_accident_that_hurt_nobody_is_for_the_traffic_police_and_can_wait() -> None:
    for utterances in (("两辆车撞了没有人受伤堵在路上",), ("两辆车撞了", "没有人受伤")):
        draft = TicketDraft("x", None)
        for said in utterances:
            draft.hear(Utterance("caller", said))
        values = draft.values()
        assert (values["urgent"], values["urgency"], values["transfer"]) == (False, "一般", "122")
    assert judge("他撞了我的车要跑没有人受伤").urgent


@pytest.mark.parametrize(
    "field,value",
    [
        ("urgency", "特急"),
        ("urgency", "紧急"),
        ("urgent", True),
        ("urgency_reason", "楼里有老人"),
        ("transfer", "110"),
    ],
)
def test_nothing_said_lowers_anything_once_the_agent_decided(field: str, value: object) -> None:
    draft = heard("三楼着火了")
    draft.correct(field, value)
    before = pressing(draft)
    draft.hear(Utterance("caller", "火已经灭了没事了"))
    assert pressing(draft) == before
    draft.hear(Utterance("caller", "又烧起来了火很大"))
    assert draft.values()["urgent"]


def test_what_the_agent_decided_is_completed_by_what_is_heard_later() -> None:
    draft = heard("你们好")
    draft.correct("urgency", "特急")
    draft.hear(Utterance("caller", "我孙女不见了"))
    assert pressing(draft) == (True, "特急", "敏感：有人走失", "110")


@pytest.mark.parametrize(
    "said,partner",
    [
        ("帮我转一下一一零", "110"),
        ("麻烦接一下交警我跟人家擦了一下车", "122"),
        ("不用转一一零我就是问问", None),
        ("一一零让我打你们电话", None),
    ],
)
def test_a_citizen_may_ask_to_be_put_through(said: str, partner: str | None) -> None:
    assert judge(said).transfer == partner


def test_a_burst_is_not_taken_back_by_one_citizen() -> None:
    draft = TicketDraft("x", None)
    draft.hear(Utterance("caller", "三楼着火了"))
    draft.alarm(Urgency("特急", "集中：同一地点多人来电", "119"))
    draft.hear(Utterance("caller", "火已经灭了"))
    assert draft.values()["urgency_reason"] == "集中：同一地点多人来电"


def test_a_slow_case_that_worsens_is_raised_and_words_about_else_lower_none() -> None:
    draft = TicketDraft("t", None)
    levels = []
    for said in ("消防通道堵了很危险", "现在着火了", "没有人受伤"):
        draft.hear(Utterance("caller", said))
        levels.append(draft.values()["urgency"])
    assert levels == ["一般", "特急", "特急"]


def test_what_the_agent_asks_and_the_citizen_affirms_is_told() -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("caller", "前面两辆车撞了"))
    assert draft.values()["urgency"] == "紧急"
    draft.hear(Utterance("agent", "有没有人昏迷"))
    draft.hear(Utterance("caller", "没有"))
    assert draft.values()["urgency"] == "紧急"
    draft.hear(Utterance("agent", "是有人昏迷了吗"))
    draft.hear(Utterance("caller", "对"))
    assert (draft.values()["urgency"], draft.values()["transfer"]) == ("特急", "120")


def test_an_alarm_from_outside_stays_and_is_written_down() -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("caller", "我们村停水了"))
    draft.alarm(Urgency("紧急", "集中：60分钟内荣文村公用事业5件", None, "荣文村"))
    again = TicketDraft.from_dict(draft.to_dict())
    draft.hear(Utterance("caller", "已经一天了"))
    again.hear(Utterance("caller", "已经一天了"))
    assert draft.values()["urgency_reason"].startswith("集中")
    assert again.to_dict() == draft.to_dict()


_RULE = '[[rule]]\nlevel = "紧急"\nkind = "突发"\nreason = "漏水"\nany = ["漏水"]\n'


def test_a_city_has_its_own_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(_RULE, encoding="utf-8")
    rules = read_rules(path)
    assert rules.judge("楼上漏水").reason == "突发：漏水"
    assert not rules.judge("没有漏水").urgent
    assert not rules.judge("着火了").urgent


def test_a_citys_rule_has_its_own_words_of_ending(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(_RULE + "lifted = ['修好了']\n", encoding="utf-8")
    rules = read_rules(path)
    told = rules.judge("楼上漏水")
    eased = rules.eased(told, "已经修好了谢谢")
    assert eased is not None
    assert (eased.level, eased.reason) == ("一般", "突发：漏水" + LIFTED)
    assert rules.eased(told, "火灭了") is None


@pytest.mark.parametrize("guard", ["asked = ''", "asked = '感谢|'", "turn = '对了|'"])
def test_a_guard_that_finds_nothing_everywhere_holds_nobody_up(guard: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f"[guards]\n{guard}\n" + _RULE, encoding="utf-8")
    rules = read_rules(path)
    assert not rules.judge("感谢你们楼上不漏了").urgent


@pytest.mark.parametrize(
    "content,wrong",
    [
        ("", "at least one"),
        ("[guards]\nfoo = 'x'\n" + _RULE, "guards: unknown foo"),
        ("[guards]\npast = '('\n" + _RULE, "guards.past: '\\('"),
        ("[called]\n114 = 'x'\n" + _RULE, "called wants expressions by partner: 110"),
        (_RULE.replace("紧急", "火急"), "rule 1: level is one of 一般, 紧急, 特急; not '火急'"),
        (_RULE.replace("突发", "突然"), "rule 1: kind is one of 突发, 敏感, 集中, 重要"),
        (_RULE + "transfer = '999'\n", "rule 1: transfer is one of 110"),
        (_RULE + "colour = 'red'\n", "rule 1: unknown colour"),
        (_RULE.replace('reason = "漏水"', "reason = 5"), "rule 1: reason must be text, not 5"),
        (_RULE.replace('["漏水"]', '["("]'), "rule 1: any: '\\('"),
        (_RULE + "lifted = ['(']\n", "rule 1: lifted: '\\('"),
        (_RULE.replace('["漏水"]', "[]"), "rule 1: any must name at least one"),
        (_RULE + _RULE.replace('["漏水"]', "[5]"), "rule 2: any: 5 is not text"),
        ("[[rule", "Expected"),
    ],
)
def test_wrong_rules_are_refused_with_their_place(tmp_path: Path, content: str, wrong: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadRules, match=wrong) as error:
        read_rules(path)
    assert str(path) in str(error.value)


def test_every_shipped_rule_has_a_name_of_its_own() -> None:
    """The form lists rules by level and reason, and a talk knows its dangers by their reason."""
    names = [rule["reason"] for rule in rules.load("urgency")["rule"]]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("told", ["楼道里全是浓烟", "叫消防车"])
def test_the_end_of_a_fire_ends_smoke_and_the_call_for_engines(told: str) -> None:
    assert pressing(heard(told, "火已经灭了不用来了"))[1] == "一般"


def test_a_cry_for_help_is_not_taken_for_the_wish_told_before_it() -> None:
    assert pressing(heard("你们赶快派人来", "救命啊"))[1::2] == ("特急", "110")


@pytest.mark.parametrize(
    "said,partner",
    [
        (("我家着火了快叫医生有人烧伤",), "119"),
        (("屋里着火了老人出不来帮忙叫个救护车",), "119"),
        (("煤气泄漏了我妈晕倒了快叫救护车",), "119"),
        (("电梯里困了人快叫救护车",), "119"),
        (("厂房爆炸了好多人受伤快派救护车",), "119"),
        (("有人砍人快叫救护车", "凶手还在拿着刀追人"), "110"),
        (("有人落水了快叫救护车",), "110"),
        (("他点煤气罐要炸楼快叫警察",), "119"),
        (("一个电瓶车被小车撞了头上全是血", "你赶紧叫救护车"), "122"),
        (("不得了车底下有个箱子嘀嗒嘀嗒响拉着电线我不敢动", "你帮我叫警察"), "110"),
        (("你们快派人来", "帮忙喊一下警察"), "110"),
        (("我家着火了", "你们叫警察来有什么用"), "119"),
        (("小区路灯不亮", "你们叫警察来"), None),
    ],
)
def test_the_police_asked_for_take_only_what_no_rule_gives_to_another(
    said: tuple[str, ...], partner: str
) -> None:
    assert pressing(heard(*said))[3] == partner


def test_what_only_sounds_like_danger_is_about_what_the_asked_partner_does() -> None:
    draft = heard("不得了车子底下有个箱子嘀嗒嘀嗒响上面拉着电线我不敢动", "你帮我叫警察")
    assert draft.values()["category"] == "治安警情"
