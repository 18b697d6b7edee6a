import pytest

from tickets.address import AddressEar
from tickets.numerals import figures


def heard(*turns: str) -> str | None:
    """Return the address after the turns; a turn that begins with 问 is the agent's."""
    ear = AddressEar()
    for turn in turns:
        if turn.startswith("问"):
            ear.agent(turn[1:])
        else:
            ear.caller(figures(turn))
    return ear.text


@pytest.mark.parametrize(
    "said,address",
    [
        ("我是沿江街道的居民长庆街二百一十八号边上垃圾没人清", "沿江街道长庆街218号"),
        ("我家隔壁着火了在梅林一村三幢四零一烟很大", "梅林一村3幢401"),
        ("中心大道一千五百八十八号国际会展中心门口有棵树断了", "中心大道1588号国际会展中心"),
        ("没有车从南站到沙溪", "南站到沙溪"),
        ("没有通知就停水在大洋镇金星村", "大洋镇金星村"),
        ("在盛世锦城丁香苑二栋五零三", "盛世锦城丁香苑2栋503"),
        ("新华路和建设路交叉口那个井盖没有了", "新华路和建设路交叉口"),
        ("阳光水岸三十六幢七零三漏水", "阳光水岸36幢703"),
        ("违章建筑吧在锦绣江南十八幢一零一", "锦绣江南18幢101"),
        ("有人要跳河在平安大桥上你们快点", "平安大桥"),
        ("我孩子在第二人民医院看病", "第二人民医院"),
        ("电瓶车停在大润发门口被偷了", "大润发"),
        ("我是玖珑府的业主", "玖珑府"),
        ("在红旗中路那边", "红旗中路"),
        ("三幢甲单元四零三在锦溪花园", "锦溪花园"),
        ("胜利路上天天堵车", "胜利路"),  # the dictionary's nouns are names too
        ("震泽镇团结村没有路灯", "震泽镇团结村"),
        ("陶渡这边围起来那块空地要造什么", "陶渡"),
        ("我们许家港这里断水了", "许家港"),
        ("市民公园里能不能多种点树", "市民公园"),
        ("黄河公园湖心亭那里有个姑娘在哭", "黄河公园"),
        ("映月湖边上有人放生", "映月湖"),
        ("新沙河里全是死鱼", "新沙河"),
        ("金茂财富中心的电梯又坏了", "金茂财富中心"),
        ("兰花小区三号楼下面停满了车", "兰花小区3号楼"),
        ("安乐桥桥面裂开了", "安乐桥"),
        ("碧水花城我楼下的邻居养鸡", "碧水花城"),
        ("在帝景国际三座一八零六", "帝景国际3座1806"),
        ("永旺模具厂晚上偷偷喷漆", "永旺模具厂"),
    ],
)
def test_places(said: str, address: str) -> None:
    assert heard(said) == address


@pytest.mark.parametrize(
    "said",
    [
        "我们小区的路灯坏了",
        "这条路坑坑洼洼的",
        "我在网上买的手机是假的",
        "我在单位上班",
        "我们村里的干部",
        "城市管理做得好",
        "我想问医院挂号",
        "下个月一号开始",
        "三路公交车太少了",
        "从早上到晚上都很吵",
        "人行道上停满了车",
        "市区道路太堵了",
        "水泥路都裂了",
        "商业街太吵了",
        "家门口小河边上有人烧垃圾",
        "我老公这里需要什么材料",
        "养老服务中心的电话打不通",
        "半夜还在放音乐楼上睡不着",
        "孩子被锁在卫生间里面了",
    ],
)
def test_what_is_no_place(said: str) -> None:
    assert heard(said) is None


@pytest.mark.parametrize(
    "turns,address",
    [
        (["在荷塘新村", "问几幢", "三幢四零一"], "荷塘新村3幢401"),
        (["在文昌路", "问几号", "六十六号"], "文昌路66号"),
        (["在文昌路六十六号", "不对是文昌路六十八号"], "文昌路68号"),
        (["问在什么地方", "万达"], "万达"),
        (["翠湖花园五幢", "在城北街道"], "城北街道翠湖花园5幢"),
        (["在金星村", "金星村三组"], "金星村3组"),
        (["在荷塘新村二单元", "问几零几", "三零一"], "荷塘新村2单元301"),
        (["翠湖花园五幢四零四不对是四零五楼顶漏水"], "翠湖花园5幢405"),
    ],
)
def test_an_address_grows(turns: list[str], address: str) -> None:
    assert heard(*turns) == address


def test_the_evidence_is_what_was_spoken() -> None:
    ear = AddressEar()
    ear.caller(figures("那个在长庆街二百一十八号门口"))
    assert ear.evidence == "长庆街二百一十八号"
