"""What refusals say, in Chinese: the words that stand beside the English ones for the pages.

English is what programs log and what these sentences are found by: a pattern for each, whose parts
are taken over. What has no sentence here is shown in English; ``tests/web/test_chinese.py`` sends
what administrators can get wrong and wants Chinese for each.
"""

import re
from functools import cache
from typing import Final

_OPEN: Final = r"不是正确的正则表达式：第 \1 个字符后的"

_REST: Final = r"\1"
"""What stands before is taken away, and the rest looked up."""
_MOST_BEFORE: Final = 8
"""So many names of fields may stand before a sentence."""

_SENTENCES: Final = (
    # pydantic's
    (r"Field required", "必须填写"),
    (r"Extra inputs are not permitted", "没有这一项"),
    (r"Input should be a valid date.*", "应为日期，如 2027-02-11"),
    (r"Datetimes provided to dates should have zero time.*", "应为日期，如 2027-02-11"),
    (r"Input should be a valid integer.*", "应为整数"),
    (r"Input should be a valid number.*", "应为数字"),
    (r"Input should be a finite number", "应为数字"),
    (r"Input should be a valid boolean.*", "应为是或否"),
    (r"Input should be a valid (?:string|text)", "应为文字"),
    (r"Input should be a valid (?:tuple|list|dictionary|mapping).*", "格式不对"),
    (r"Input should be greater than or equal to (\S+)", r"不能小于 \1"),
    (r"Input should be greater than (\S+)", r"应大于 \1"),
    (r"Input should be less than or equal to (\S+)", r"不能大于 \1"),
    (r"Input should be less than (\S+)", r"应小于 \1"),
    (r"Input should be (.+)", r"应为 \1 之一"),
    (r"String should have at least 1 character", "不能为空"),
    (r"String should have at least (\d+) characters", r"至少 \1 个字"),
    (r"String should have at most (\d+) characters?", r"最多 \1 个字"),
    (r"String should match pattern '(.+)'", r"格式不对（应符合 \1）"),
    (r"(?:Tuple|List|Dictionary|Set|Value) should have at least (\d+) items?.*", r"至少要有 \1 项"),
    (r"(?:Tuple|List|Dictionary|Set|Value) should have at most (\d+) items?.*", r"最多 \1 项"),
    (r"JSON decode error.*|the body is not JSON.*", "请求格式不对"),
    # values of our own
    (
        r"a regular expression \(missing \), unterminated subpattern at position (\d+).*\)",
        _OPEN + "（ 没有配对",
    ),
    (r"a regular expression \(unbalanced parenthesis at position (\d+).*\)", _OPEN + "）多出来了"),
    (
        r"a regular expression \(unterminated character set at position (\d+).*\)",
        _OPEN + "[ 没有配对",
    ),
    (
        r"a regular expression \((?:nothing to|multiple) repeat at position (\d+).*\)",
        _OPEN + "重复符号前没有内容",
    ),
    (r"a regular expression \((.+)\)", r"不是正确的正则表达式（\1）"),
    (r"name=number, as 咨询=2", "应写作 名称=数字，如 咨询=2"),
    (r"days and hours such as Mon-Fri 08:30-17:30", "应写作 Mon-Fri 08:30-17:30"),
    (r"either agent or numbers", "坐席工号与号码只能填一种，且必须填一种"),
    (r"one of (.+)", r"应为 \1 之一"),
    # routing
    (r"either agents, or to, or call_back in one step", "一步只能是坐席、转外部、改为回拨之一"),
    (r"a step that names agents", "至少要有一步指向坐席"),
    (r"\S+: a rule that there is, not (\S+)", r"没有分配规则 \1"),
    (r"\S+: a group that there is, not (\S+)", r"没有班组 \1"),
    (
        r"callers\.\S+: callers could ask for more than (\d+) sets of skills.*",
        r"来电号码可能要求的技能组合超过 \1 种，请减少各不相同的技能",
    ),
    # partners and deadlines
    (r"\S+\.numbers: (\S+) is (\S+)'s already", r"号码 \1 已属于 \2"),
    (r"trunks of the configuration \((.*)\)", r"应为配置中的中继（\1）"),
    (r"workdays: none that is a holiday as well \((.*)\)", r"同一天不能既休息又上班（\1）"),
    # texts and their rows
    (r'a word such as "路灯=6" or "修&路=3"', "应写作 路灯=6 或 修&路=3"),
    (
        r"a name has (\d+) to (\d+) Chinese characters, not (.+)",
        r"名称应为 \1 到 \2 个汉字，不能是 \3",
    ),
    (r"topic: wanted, where there are words", "填了关键词，就要填主题"),
    (r"signs: some, or a field that answers the question", "请填写标志，或选择由哪个字段回答"),
    (r"topic (\S+) is there twice", r"主题 \1 重复了"),
    (r"(.+) is there twice", r"\1 重复了"),
    (r"texts without NUL, which no database keeps", "不能含有空字符"),
    (r"a text of at most (\d+) characters, without NUL", r"最多 \1 个字，且不含空字符"),
    (r"only text and format", "没有这一项"),
    (r"nothing but tables \[\[topic\]\]", "只能有 [[topic]] 表"),
    (r"each \[\[topic\]\] has an id", "每个 [[topic]] 都要有 id"),
    (r"topic ([^:]+): a ticket has no field (.+)", r"主题 \1：工单没有字段 \2"),
    (r"topic ([^:]+): (.+) needs a field or signs", r"主题 \1：\2 需要 field 或 signs"),
    (r"topic ([^:]+): '?(\w+)'? is missing or of the wrong kind", r"主题 \1：缺少 \2 或类型不对"),
    (r"topic ([^:]+): (.+)", r"主题 \1：\2"),
    (r"text: rule (\d+): unknown (.+)", r"第 \1 条规则：没有 \2 这一项"),
    (
        r"text: rule (\d+): (\w+) is one of (.+); not (.+)",
        r"第 \1 条规则：\2 应为 \3 之一，不能是 \4",
    ),
    (r"text: rule (\d+): (\w+) must be text, not .+", r"第 \1 条规则：\2 应为文字"),
    (
        r"text: rule (\d+): any must name at least one expression",
        r"第 \1 条规则：any 至少要有一个表达式",
    ),
    (
        r"text: rule (\d+): (\w+) must be a list of regular expressions",
        r"第 \1 条规则：\2 应为正则表达式列表",
    ),
    (r"text: rule (\d+): (\w+): (.+)", r"第 \1 条规则 \2：\3"),
    (r"text: rule (\d+): must be a table", r"第 \1 条规则格式不对"),
    (r"text: alike is a number such as 0\.03, not (.+)", r"alike 应为数字，如 0.03，不能是 \1"),
    (r"text: words wants expressions by name", "words 应为名称和表达式"),
    (r"text: guards: unknown (.+)", r"guards 没有 \1 这一项"),
    (r"text: guards\.(\w+): (.+)", r"guards.\1 不正确：\2"),
    (r"text: called wants expressions by partner: (.+)", r"called 应为联动单位和表达式，单位为 \1"),
    (r"text: called\.(\w+): (.+)", r"called.\1 不正确：\2"),
    (r"text: wants a table \[guards\] and at least one \[\[rule\]\]", "至少要有一条规则"),
    (r"text: holds no category", "至少要有一个类别"),
    (
        r"text(?::\d+)?: a category has 1 to (\d+) characters, not (.+)",
        r"类别名应为 1 到 \1 个字，不能是 \2",
    ),
    (r"text: (\S+) must be a table of topics, as .+", r"\1 应为由主题组成的表"),
    (r"text: (\S+) must be a list of words such as .+", r"\1 应为关键词列表，如 路灯=6、修&路=3"),
    (r"text:\d+: the first level is empty", "第一级为空"),
    (r"text:\d+: no column 'name' \(名称\)", "缺少 name（名称）一列"),
    (r"text:\d+: (a name has .+)", _REST),
    (
        r"(?:text:\d+: )?(.+) \(at (?:line (\d+), column (\d+)|end of document)\)",
        r"TOML 语法错误：\1",
    ),
    # recordings
    (r"(\d+) octets; at most (\d+)", r"文件 \1 字节，最大 \2"),
    (r"no PCM WAV file \((.+)\)", r"不是 PCM 编码的 WAV 文件（\1）"),
    (r"(\d+) channels; one is wanted", r"有 \1 个声道，应为单声道"),
    (r"(\d+) bits a sample; 16 are wanted", r"采样为 \1 位，应为 16 位"),
    (r"(\d+) samples a second; 8000 or 16000 are wanted", r"采样率 \1，应为 8000 或 16000"),
    (
        r"(\d+) octets of audio where its head says (\d+)",
        r"文件不完整：声音 \1 字节，文件头写的是 \2",
    ),
    (r"(\d+) s; at most (\d+)", r"长 \1 秒，最长 \2 秒"),
    # knowledge
    (r"(?:.*: )?the front matter needs (\w+)", r"前言缺少 \1"),
    (r"(?:.*: )?the front matter is no YAML: (.+)", r"前言不是 YAML：\1"),
    (
        r"(?:.*: )?id (.+) has other than letters, digits, - and _",
        r"编号 \1 只能用字母、数字、- 和 _",
    ),
    (
        r"(?:.*: )?valid_until is a date as 2027-12-31, not (.+)",
        r"valid_until 应为日期，如 2027-12-31，不能是 \1",
    ),
    (r"(?:.*: )?(\w+) is a list of words, not .+", r"\1 应为词的列表"),
    (r"duty (.+) is not as 1-5 08:30-17:30", r"值班时间 \1 应写作 1-5 08:30-17:30"),
    (r"duty (.+) ends before it begins", r"值班时间 \1 的结束早于开始"),
    # whatever stands in the way
    (r"version (\d+) is in force, not (\d+)", r"已是第 \1 版，您改的是第 \2 版；请重新打开后再改"),
    (r"somebody else has changed it in this moment", "别人刚刚改过，请重新打开后再改"),
    (r"no such (\w+)", "没有这一项，可能已被删除"),
    (r"(\S+) is taken", r"\1 已存在"),
    (r"another administrator changes your role", "自己的角色须由另一位管理员修改"),
    (r"until is not before since, and at most (\d+) days after it", r"时间段应在 \1 天以内"),
    (r"no such account, or a wrong password", "工号或密码不对"),
    (
        r"too many failed sign-ins from this address; try again in (\d+) s",
        r"本网络的登录失败次数过多，请 \1 秒后再试",
    ),
    (r"too many failed sign-ins; try again in (\d+) s", r"登录失败次数过多，请 \1 秒后再试"),
    (r"only its agent changes a ticket", "只有经办坐席可以修改工单"),
    (
        r"only (?:an agent of this call|the agent who talks) can do that",
        "只有通话中的坐席可以这样做",
    ),
    (r"(\w+) is for supervisors", "须由班长操作"),
    # who may
    (r"sign in first", "请先登录"),
    (r"for supervisors and administrators", "须由班长或管理员操作"),
    (r"not for agents", "坐席不能这样做"),
    (r"for those who talk with citizens", "只有接听市民来电的人可以这样做"),
    (r"for administrators", "须由管理员操作"),
    (r"for: (.+)", r"只有 \1 可以使用"),
    (r"a request by cookie needs the header (.+)", r"请求缺少标头 \1"),
    (r"the page is not one of ours", "这个页面不是本系统的"),
    (r"not for this address", "这个地址不能访问"),
    (r"the body is too long", "内容太长"),
    (r"the node failed; see its log", "系统出错，请联系运维人员查看日志"),
    # tickets
    (r"there is no field (.+)", r"工单没有字段 \1"),
    (r"(\w+) must be true or false, not (.+)", r"\1 应为是或否，不能是 \2"),
    (r"(\w+) must be text, not (.+)", r"\1 应为文字，不能是 \2"),
    (r"(\w+) is one of (.+); not (.+)", r"\1 应为 \2 之一，不能是 \3"),
    (r"(\w+) holds at most (\d+) characters", r"\1 最多 \2 个字"),
    (r"(\w+) cannot be empty", r"\1 不能为空"),
    (r"(.+) is not a complete telephone number", r"\1 不是完整的电话号码"),
    (r"the ticket has been submitted", "工单已经提交"),
    (r"(\w+) is for tickets that are (.+); this one is (\w+)", "工单现在的状态不能这样办理"),
    (r"(\w+) needs a note: why, or what", "请写明理由或内容"),
    (r"a note holds (\d+) characters", r"最多 \1 个字"),
    (r"pass_on needs the unit", "请填写承办单位"),
    (r"a unit's name holds (\d+) characters", r"单位名称最多 \1 个字"),
    (r"review needs the citizen's verdict", "请填写市民的评价"),
    # the exchange with partners
    (r"(.+) was handed to (.+) before", r"工单 \1 已经派给 \2"),
    (r"(.+) may be given no field of a ticket", r"\1 不能接收工单"),
    (r"what is returned needs a reason", "退回须写明理由"),
    (r"it is (\w+), not (\w+)", "这件互派工单现在的状态不能这样办理"),
    (r"the partner decides about what was handed to him", "派出的工单由对方决定"),
    (r"only what a partner has finished is taken up again", "对方办结后才能要求再处置"),
    (r"the call names no partner's draft", "这次来电没有附带对方的工单"),
    # calls, recordings, reports
    (r"the call is not being recorded", "这次通话没有录音"),
    (r"nothing is recorded from (.+) to (.+) s", r"\1 至 \2 秒之间没有录音"),
    (r"the recording is over before (.+) s", r"录音不到 \1 秒"),
    (
        r"part (.+) was not completed: its file, if any, is at node (.+), not here",
        r"录音第 \1 段未正常结束，本节点没有它的文件；如有，在节点 \2 的磁盘上，未作静音",
    ),
    (r"a span begins at 0 or later and before its end: .+", "起点不能小于 0，且须早于终点"),
    (r"(.+) is not a recording of ours: .+", r"\1 不是本系统的录音"),
    (r"(.+) is sealed, and no key is configured", r"\1 已加密，没有配置密钥"),
    (
        r"(.+) is no day \(2026-11-22\), week \(2026-W47\) or month \(2026-11\)",
        r"\1 应写作 2026-11-22、2026-W47 或 2026-11",
    ),
    (r"(\S+): (?:month|day|Invalid|Year|year) .+", r"没有 \1 这个日期"),
    (r"in the future, at most (\d+) days from now", r"应在今后 \1 天之内"),
    (r"nobody has told a number to call", "没有可以回拨的号码"),
    (r"no reason (.+); there are: (.+)", r"没有示忙原因 \1，应为 \2 之一"),
    (r"(?:.+: )?is no criterion; these are: (.+)", r"没有这一项，应为 \1 之一"),
    (r"(?:.+: )?has 0 to (\d+) points", r"应为 0 到 \1 分"),
    (r"the front matter's id is (\S+), the path's (\S+)", r"前言中的编号是 \1，地址中的是 \2"),
    (r"no such .+", "没有找到，可能已被删除"),
    (r"\w[\w.\[\]]*: (.+)", _REST),
)


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(english, re.DOTALL), chinese) for english, chinese in _SENTENCES)


def in_chinese(message: str) -> str | None:
    """Return a refusal's words in Chinese; None: there are none."""
    for _ in range(1 + _MOST_BEFORE):
        matches = ((english.fullmatch(message), chinese) for english, chinese in _compiled())
        found, chinese = next(((one, said) for one, said in matches if one), (None, ""))
        if found is None:
            return None
        if chinese != _REST:
            return found.expand(chinese)
        message = found[1]
    return None
