import pytest

from tickets.names import NameEar


def heard(*turns: str) -> tuple[str | None, str | None]:
    """Return name and title after the turns; a turn that begins with 问 is the agent's."""
    ear = NameEar()
    name = title = None
    for turn in turns:
        found = ear.agent(turn[1:]) if turn.startswith("问") else ear.caller(turn)
        if found:
            name, title = found.name or name, found.title or title
    return name, title


@pytest.mark.parametrize(
    "turns,name,title",
    [
        (["我姓陆陆先生"], "陆", "先生"),
        (["免贵姓姚"], "姚", None),
        (["我姓沈沈女士打我另外一个电话"], "沈", "女士"),
        (["我姓田河南人"], "田", None),
        (["我姓欧阳"], "欧阳", None),
        (["复姓上官"], "上官", None),
        (["问您贵姓", "万俟"], "万俟", None),
        (["问贵姓", "嗯何"], "何", None),
        (["问怎么称呼", "叫我小李就行"], "李", None),
        (["问您叫什么名字", "陈小明耳东陈"], "陈小明", None),
        (["我叫周海燕大海的海燕子的燕"], "周海燕", None),
        (["我叫张志方弓长张志气的志芳草的芳"], "张志芳", None),
        (["我叫王芳家里没水了"], "王芳", None),
        (["我叫邢磊三石磊"], "邢磊", None),
        (["我姓于叫于海燕"], "于海燕", None),
        (["我姓沙沙子的沙沙先生"], "沙", "先生"),
        (["不姓黄我姓王"], "王", None),
        (["我姓张", "问哪个张", "立早章"], "章", None),
        (["我叫李明", "问李明先生是吧", "对"], "李明", "先生"),
        (["问好的陆先生"], "陆", "先生"),
        (["我叫李明", "我姓李"], "李明", None),
        (["鲁晓燕拂晓的晓燕子的燕"], "鲁晓燕", None),
        (["裘姓求衣裘"], "裘", None),
        (["问老人家您贵姓", "公公平的公"], "公", None),
    ],
)
def test_names(turns: list[str], name: str, title: str | None) -> None:
    assert heard(*turns) == (name, title)


@pytest.mark.parametrize(
    "turns",
    [
        ["老板姓王"],
        ["物业经理姓周"],
        ["老百姓都说"],
        ["我叫车叫不到"],
        ["问贵姓", "我家在人民路"],
        ["问贵姓", "这个不方便说"],
        ["我是王小明的妈妈"],
        ["问公司叫什么名字", "金星公司"],
        ["对方姓名不知道"],
    ],
)
def test_whose_name_it_is_not(turns: list[str]) -> None:
    assert heard(*turns) == (None, None)
