import pytest

from tickets.category import classify
from tickets.content import join, readable
from tickets.draft import TicketDraft, Utterance
from tickets.intent import called_before, matter_type, wants_secrecy
from tickets.party import PartyEar
from tickets.rules import load
from tickets.tree import SHIPPED
from tickets.urgency import CALM


def test_the_rule_file_knows_exactly_the_categories_of_the_field() -> None:
    assert set(load("categories")) == set(SHIPPED.names)


@pytest.mark.parametrize(
    "said,category",
    [
        ("路边有人摆摊卖早点", "市容管理"),
        ("物业费涨了", "物业管理"),
        ("红绿灯时间太短", "路况管理"),
        ("健身房关门了年卡不退", "消费维权"),
        ("井盖坏了", "道路设施"),
        ("社保怎么补缴", "社会保障"),
        ("隔壁群租住了二十个人", "社区管理"),
        ("老板欠我们三个月工资", "劳动纠纷"),
        ("消防栓里没有水", "消防安全"),
        ("行道树要修剪", "园林绿化"),
        ("工厂偷排废水", "环境保护"),
        ("自来水停了一天", "公用事业"),
        ("公积金怎么提取", "住房保障"),
        ("孩子转学要什么手续", "教育文体"),
        ("医院挂不上号", "医疗卫生"),
        ("出租车拒载", "交通出行"),
        ("楼顶违章搭建阳光房", "违法建设"),
        ("棋牌室里聚众赌博", "治安警情"),
        ("营业执照怎么变更", "企业服务"),
        ("人才公寓怎么申请", "人才服务"),
        ("这块地规划做什么", "城乡规划"),
        ("村干部贪污补偿款", "纪检监察"),
        ("结婚登记要预约吗", "其他"),
        ("今天的心情很微妙", "其他"),
    ],
)
def test_categories(said: str, category: str) -> None:
    assert classify(said)[0].category == category


@pytest.mark.parametrize(
    "said", ["他打我还抢我手机", "我老公打我摔我手机", "隔壁邻居打我还抢了我的手机和钱"]
)
def test_who_is_beaten_does_not_tell_how_he_is_reached(said: str) -> None:
    draft = TicketDraft("x", None)
    draft.hear(Utterance("caller", said))
    assert draft.values()["category"] == "治安警情"


@pytest.mark.parametrize("said", ["有事打我这个电话", "打给我的手机", "打我老公电话"])
def test_how_the_citizen_is_reached_is_no_matter(said: str) -> None:
    assert classify(said)[0].category == "其他"


def test_a_hint_outweighs_a_passing_word() -> None:
    assert classify("屋顶花园那里有人", "治安警情")[0].category == "治安警情"


@pytest.mark.parametrize(
    "said,kind",
    [
        ("我想问一下医保怎么报销", "咨询"),
        ("帮帮我吧我的钥匙掉进下水道了", "求助"),
        ("我要投诉这家店", "投诉"),
        ("楼上天天吵死了", "投诉"),
        ("我要举报一个黑作坊", "举报"),
        ("建议在路口装个红绿灯", "建议"),
        ("我要表扬一下社区的小刘", "表扬"),
        ("感谢你们上次帮我们解决了供水问题", "表扬"),
    ],
)
def test_types(said: str, kind: str) -> None:
    assert matter_type(said, classify(said)[0].category, CALM).type == kind


@pytest.mark.parametrize(
    "said",
    [
        "不要公开我的信息",
        "千万给我保密",
        "我要匿名",
        "别说是我举报的",
        "不要让他们知道是我打的",
        "我怕他们报复",
    ],
)
def test_secrecy_is_asked_for(said: str) -> None:
    assert wants_secrecy(said)


@pytest.mark.parametrize(
    "said", ["不用保密", "村里的账目一直不公开", "公司让我签保密协议", "可以公开"]
)
def test_secrecy_is_not_asked_for(said: str) -> None:
    assert wants_secrecy(said) is None


@pytest.mark.parametrize(
    "said", ["我们报过三次了", "上次投诉过没用", "反映了好几次", "我又打电话来了"]
)
def test_a_repeated_call(said: str) -> None:
    assert called_before(said)


@pytest.mark.parametrize("said", ["第一次打你们电话", "没有反映过", "我打过疫苗了", "你好"])
def test_a_first_call(said: str) -> None:
    assert called_before(said) is None


@pytest.mark.parametrize(
    "turns,kind,party",
    [
        (["我要投诉文昌路四十一号小麦面包店"], "投诉", "小麦面包店"),
        (["投诉那个佳佳早教中心"], "投诉", "佳佳早教中心"),
        (["我是恒润机械的我姓郝"], "咨询", "恒润机械"),
        (["问单位叫什么", "叫鼎丰餐饮公司"], "投诉", "鼎丰餐饮公司"),
        (["物业把电梯停了"], "投诉", "物业"),
        (["物业说电梯坏了"], "咨询", None),
        (["一家公司不给钱"], "投诉", None),
        (["我是开网约车的"], "咨询", None),
    ],
)
def test_parties(turns: list[str], kind: str, party: str | None) -> None:
    ear = PartyEar()
    for turn in turns:
        if turn.startswith("问"):
            ear.agent(turn[1:])
        else:
            ear.caller(turn)
    best = ear.best(kind)
    assert (best.name if best else None) == party


def test_content_leaves_out_greetings_and_personal_data() -> None:
    said = ["喂你好路灯坏了", "      ", "打我             ", "好的谢谢", "已经3天了"]
    assert join([readable(text) for text in said]) == "路灯坏了，已经3天了。"
