"""The layers of the configuration, and what is said of a wrong one."""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from config.settings import DEFAULTS, ConfigError, Settings, load
from config.trunks import TrunkSettings
from hotline.directory import directory
from hotline.trunks import trunks
from telephony.trunks.model import Account

# the tables whose keys the operator chooses, and the one that the default file has of each
IN_DEFAULT_FILE = {"trunks": "local", "lines": "12345", "partners": "110"}
#: Named in the default file too, with what is special about them alone.
MORE_PARTNERS = ("partners.119.", "partners.120.", "partners.122.")


ROUTING = re.compile(r"(routing\.(groups|rules|lines|callers|agents|reasons))\..*")


def options(model: type[BaseModel], at: str = "") -> Iterator[tuple[str, str | None, bool]]:
    """Yield key, documentation and "has a default" of every option of the model."""
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from options(inner, f"{at}{name}.")
        elif name in IN_DEFAULT_FILE and not at:
            entry, model = IN_DEFAULT_FILE[name], get_args(inner)[1]
            yield from options(model, f"{at}{name}.{entry}.")
        else:
            yield f"{at}{info.alias or name}", info.description, not info.is_required()


def keys(table: dict[str, Any], at: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from keys(value, f"{at}{key}.")
        else:
            yield f"{at}{key}"


def problems(path: Path | None, variables: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, variables)
    return str(caught.value).splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hotline.toml"


def test_default_file_and_model_have_the_same_options() -> None:
    found = keys(tomllib.loads(DEFAULTS.read_text(encoding="utf-8")))
    in_file = [key for key in found if not key.startswith(MORE_PARTNERS)]
    # the operator's own tables of routing count as one option each
    in_file = list(dict.fromkeys(ROUTING.sub(r"\1", key) for key in in_file))
    assert in_file == [key for key, _, _ in options(Settings)]


def test_model_documents_every_option_and_has_no_defaults_of_its_own() -> None:
    assert [key for key, documentation, _ in options(Settings) if not documentation] == []
    own = [key for key, _, has_default in options(Settings) if has_default]
    assert [key for key in own if not key.startswith(("trunks.", "partners."))] == []


def test_what_a_trunk_leaves_out_is_as_in_the_default_file() -> None:
    shown = load(None, {}).trunks["local"]
    assert TrunkSettings(networks=shown.networks) == shown


def test_default_file_has_a_comment_for_every_table_or_option() -> None:
    lines = DEFAULTS.read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if "=" in line
        and not line.startswith("#")
        and (not before or before.startswith("["))
        and not before.startswith("[routing.")  # explained above each kind of table
    ]
    # [lines."12345"] is explained above its table; its options follow at once. So are partners.
    assert bare == [f'name = "{name}"' for name in (
        "政务服务便民热线", "公安报警", "消防救援", "医疗急救", "交通事故报警",
    )]  # fmt: skip


def test_defaults_alone_are_complete() -> None:
    settings = load(None, {})
    assert settings.sip.port == 5060
    assert settings.redis.url is None
    assert settings.lines["12345"].name == "政务服务便民热线"
    networks = settings.trunks["local"].networks
    assert [str(network) for network in networks] == ["127.0.0.0/8", "::1/128"]
    assert settings.agents.seed == tuple(str(number) for number in range(1001, 1009))


def test_settings_are_frozen() -> None:
    settings = load(None, {})
    with pytest.raises(ValidationError, match="frozen"):
        settings.sip.port = 1


def test_variable_beats_file_and_file_beats_default(file: Path) -> None:
    file.write_text('[sip]\nport = 5070\nrealm = "city"\n')
    settings = load(file, {"HOTLINE_SIP__PORT": "5080", "PATH": "/bin"})
    assert (settings.sip.port, settings.sip.realm) == (5080, "city")
    assert settings.sip.host == "127.0.0.1"


def test_file_may_be_named_by_a_variable_and_the_argument_wins(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    file.write_text("[web]\nport = 1\n")
    other.write_text("[web]\nport = 2\n")
    assert load(None, {"HOTLINE_CONFIG": str(file)}).web.port == 1
    assert load(other, {"HOTLINE_CONFIG": str(file)}).web.port == 2


def test_variables_of_every_kind() -> None:
    settings = load(
        None,
        {
            "HOTLINE_TRUNKS__LOCAL__NETWORKS": "10.0.0.0/8, 192.168.1.1",
            "HOTLINE_TRUNKS__LOCAL__ADDRESS": "[2001:db8::1]:5080",
            "HOTLINE_RECORDING__ENABLED": "false",
            "HOTLINE_SIP__NO_ANSWER_SECONDS": "2.5",
            "HOTLINE_LINES__12345__NAME": "热线",
            "HOTLINE_LINES__96000__NAME": "公交",
            "HOTLINE_LINES__96000__SKILL": "bus",
            "HOTLINE_ASR__MODEL_PATH": "/models/cn",
            "HOTLINE_AGENTS__SEED": "",
            "HOTLINE_AGENTS__SEED_PASSWORD": "swordfish",
        },
    )
    trunk = settings.trunks["local"]
    assert [str(network) for network in trunk.networks] == ["10.0.0.0/8", "192.168.1.1/32"]
    assert trunk.address == ("2001:db8::1", 5080)
    assert settings.recording.enabled is False
    assert settings.sip.no_answer_seconds == 2.5
    assert settings.lines["12345"].model_dump() == {"name": "热线", "skill": "general"}
    assert settings.lines["96000"].skill == "bus"
    assert settings.asr.model_path == Path("/models/cn")
    assert settings.agents.seed == ()
    assert "swordfish" not in repr(settings)


def test_table_of_lines_in_a_file_replaces_the_default_one(file: Path) -> None:
    file.write_text('[lines."96000"]\nname = "公交"\nskill = "bus"\n')
    assert list(load(file, {}).lines) == ["96000"]


def test_trunks_in_a_file_replace_the_default_one(file: Path) -> None:
    file.write_text(
        '[trunks."telecom-1"]\naddress = "sbc.example.cn"\nuser = "12345"\npassword = "x"\n'
        "register = true\n"
    )
    (trunk,) = trunks(load(file, {}))
    assert (trunk.name, trunk.host, trunk.port) == ("telecom-1", "sbc.example.cn", 5060)
    assert trunk.networks == ()
    assert trunk.account == Account("12345", "x", register=True)
    assert (trunk.max_calls, trunk.calls_per_second, trunk.probe_seconds) == (None, None, 5.0)


@pytest.mark.parametrize(
    "carriers, ours",
    [
        ("12345", "12345"),
        ("+8612345", "12345"),
        ("008612345", "12345"),
        ("+8651212345", "12345"),
        ("051212345", "12345"),
        ("051296000", "96000"),
        ("01012345", "12345"),
        ("13862311001", "13862311001"),
        ("013862311001", "13862311001"),
        ("+86-138-6231-1001", "13862311001"),
        ("008613862311001", "13862311001"),
        ("+8651253530000", "051253530000"),
        ("+86051253530000", "051253530000"),
        ("051253530000", "051253530000"),
        ("51253530000", "51253530000"),
        ("110", "110"),
        ("+86110", "110"),
        ("+442079460000", "+442079460000"),
        ("0085221234567", "0085221234567"),
        ("anonymous", "anonymous"),
    ],
)
def test_numbers_as_carriers_write_them_become_ours(carriers: str, ours: str) -> None:
    assert trunks(load(None, {}))[0].inbound.apply(carriers) == ours


def test_wrong_value_names_key_value_wish_and_origin(file: Path) -> None:
    file.write_text("[web]\nport = 70000\n")
    assert problems(file, {"HOTLINE_SIP__PORT": "fifty", "HOTLINE_ASR__ENGINE": "siri"}) == [
        "HOTLINE_SIP__PORT: sip.port = 'fifty': wanted a whole number",
        (
            "HOTLINE_ASR__ENGINE: asr.engine = 'siri': wanted 'vosk', 'vosk-server', 'funasr' or"
            " 'scripted'"
        ),
        f"{file}: web.port = 70000: wanted a number less than or equal to 65535",
    ]


def test_unknown_option_is_an_error_with_a_suggestion(file: Path) -> None:
    file.write_text("[sip]\nprot = 5060\n")
    assert problems(file, {}) == [
        f"{file}: sip.prot = 5060: wanted an option that exists; did you mean sip.port?"
    ]


@pytest.mark.parametrize(
    "variable, suggestion",
    [
        ("HOTLINE_SIP__PROT", "sip.port"),
        ("HOTLINE_AGENT__WRAP_UP_SECONDS", "agents.wrap_up_seconds"),
        ("HOTLINE_LINES__12345__NMAE", "lines.12345.name"),
    ],
)
def test_unknown_variable_is_an_error_with_a_suggestion(variable: str, suggestion: str) -> None:
    (line,) = problems(None, {variable: "1"})
    assert line.startswith(f"{variable}: ")
    assert line.endswith(f"did you mean {suggestion}?")


def test_unknown_option_like_no_other_has_no_suggestion() -> None:
    assert problems(None, {"HOTLINE_XYZZY": "1"}) == [
        "HOTLINE_XYZZY: xyzzy = '1': wanted an option that exists"
    ]


@pytest.mark.parametrize(
    "variables, wanted",
    [
        (
            {"HOTLINE_SIP__MIN_EXPIRES": "9000"},
            "HOTLINE_SIP__MIN_EXPIRES: sip: wanted min_expires <= default_expires <= max_expires",
        ),
        (
            {"HOTLINE_SIP__MIN_SESSION_SECONDS": "3600"},
            "HOTLINE_SIP__MIN_SESSION_SECONDS: sip: wanted min_session_seconds <= session_seconds",
        ),
        (
            {"HOTLINE_MEDIA__PORT_LAST": "20001"},
            "HOTLINE_MEDIA__PORT_LAST: media: wanted port_last at least 3 above port_first",
        ),
        (
            {"HOTLINE_TRUNKS__LOCAL__NETWORKS": "10.1.2.3/8"},
            (
                "HOTLINE_TRUNKS__LOCAL__NETWORKS: trunks.local.networks = '10.1.2.3/8': "
                "wanted a network, as 10.2.0.0/16"
            ),
        ),
        (
            {"HOTLINE_SIP__LISTENERS": "tls://0.0.0.0,sctp://::1"},
            (
                "HOTLINE_SIP__LISTENERS: sip.listeners = 'sctp://::1': wanted a listener, "
                "as tls://0.0.0.0:5061 or udp://[::1]:5060?advertised=HOST"
            ),
        ),
        (
            {"HOTLINE_TLS__KEY": "a.pem"},
            "HOTLINE_TLS__KEY: tls: wanted certificate and key together",
        ),
        (
            {"HOTLINE_TLS__TRUNKS_NEED_CERTIFICATE": "true"},
            "HOTLINE_TLS__TRUNKS_NEED_CERTIFICATE: tls: wanted trunks_need_certificate with ca",
        ),
        (
            {"HOTLINE_TRUNKS__LOCAL__ADDRESS": "sip:sbc"},
            (
                "HOTLINE_TRUNKS__LOCAL__ADDRESS: trunks.local.address = 'sip:sbc': "
                "wanted a host, as sbc.example.cn, 10.2.0.1:5080 or [2001:db8::1]:5060"
            ),
        ),
        (
            {"HOTLINE_TRUNKS__TELECOM__PRIORITY": "1"},
            (
                "HOTLINE_TRUNKS__TELECOM__PRIORITY: trunks.telecom: "
                "wanted networks, an address, or both"
            ),
        ),
        (
            {
                "HOTLINE_TRUNKS__TELECOM__ADDRESS": "sbc.example.cn",
                "HOTLINE_TRUNKS__TELECOM__REGISTER": "true",
            },
            (
                "HOTLINE_TRUNKS__TELECOM__REGISTER: trunks.telecom: "
                "wanted user and password to register with"
            ),
        ),
        (
            {"HOTLINE_SIP": "x"},
            "HOTLINE_SIP: sip = 'x': wanted a table of options, not one value",
        ),
        ({"HOTLINE_SIP__HOST": ""}, "HOTLINE_SIP__HOST: sip.host = '': wanted some text"),
        (
            {"HOTLINE_SIP__NO_ANSWER_SECONDS": "inf"},
            "HOTLINE_SIP__NO_ANSWER_SECONDS: sip.no_answer_seconds = 'inf': wanted a finite number",
        ),
        (
            {"HOTLINE_LINES__96000__NAME": "公交"},
            "HOTLINE_LINES__96000__NAME: lines.96000.skill: wanted a value; it has none",
        ),
    ],
)
def test_rules(variables: dict[str, str], wanted: str) -> None:
    assert problems(None, variables) == [wanted]


@pytest.mark.parametrize(
    "rule, reason", [("['(', '']", "missing )"), (r"['(0)', '\2']", "invalid group reference 2")]
)
def test_a_rule_for_numbers_that_cannot_work_is_named(file: Path, rule: str, reason: str) -> None:
    file.write_text(f"[numbers]\ninbound = [{rule}]\n")
    (line,) = problems(file, {})
    assert line.startswith(f"{file}: numbers.inbound = [")
    assert reason in line


def test_secrets_are_not_in_error_messages() -> None:
    text = "\n".join(
        problems(
            None,
            {
                "HOTLINE_REDIS__URL": "http://user:swordfish@host",
                "HOTLINE_MQTT__PASSWORD": "swordfish",
            },
        )
    )
    assert "swordfish" not in text
    assert "http://***@host" in text


def test_file_that_cannot_be_read(file: Path) -> None:
    assert problems(file, {}) == [
        f"{file}: wanted a file that can be read (No such file or directory)"
    ]
    file.write_text("[sip\n")
    (line,) = problems(file, {})
    assert line.startswith(f"{file}: wanted TOML in UTF-8 (")


def test_days_by_name_are_read_and_checked() -> None:
    variables = {"HOTLINE_HANDLING__WORKING_DAYS_BY_TYPE": "咨询=1, 投诉=7"}
    assert load(None, variables).handling.working_days_by_type == {"咨询": 1, "投诉": 7}
    for wrong in ("咨询", "=3", "咨询=soon"):
        variables = {"HOTLINE_HANDLING__WORKING_DAYS_BY_TYPE": wrong}
        assert "HOTLINE_HANDLING__WORKING_DAYS_BY_TYPE" in problems(None, variables)[0]


def test_listeners_are_read() -> None:
    wanted = "tls://0.0.0.0?advertised=city.example:443,UDP://[::1]:5070,wss://127.0.0.1"
    tls, udp, wss = load(None, {"HOTLINE_SIP__LISTENERS": wanted}).sip.listeners
    assert (tls.transport, tls.host, tls.port) == ("TLS", "0.0.0.0", 5061)
    assert tls.advertised == ("city.example", 443)
    assert (udp.transport, udp.host, udp.port, udp.advertised) == ("UDP", "::1", 5070, None)
    assert (wss.transport, wss.port) == ("WSS", 5067)


def test_the_default_directory_and_one_of_the_operators_own(file: Path) -> None:
    shipped = directory(load(None, {}))
    assert [partner.id for partner in shipped.partners] == ["110", "119", "120", "122"]
    police = shipped.partners[0]
    assert (police.id, police.name, police.numbers) == ("110", "公安报警", ("110",))
    assert (police.asserts, police.calls_from, shipped.partners[1].shares) == (True, (), ())
    assert {"phone", "address", "content"} <= set(police.shares)
    file.write_text(
        '[partners."nantong"]\nname = "南通 12345"\nnumbers = ["051312345"]\n'
        'trunks = ["telecom-1"]\nhours = "08:30-17:30"\n'
        '[dialing]\nsupervisor = ["1[3-9][0-9]{9}"]\n'
    )
    (own,) = directory(load(file, {})).partners
    assert (own.trunks, own.opens, own.closes) == (("telecom-1",), time(8, 30), time(17, 30))
    wrong = problems(None, {"HOTLINE_DIALING__AGENT": "1[3", "HOTLINE_PARTNERS__110__HOURS": "8-9"})
    assert any("dialing.agent" in line and "regular expression" in line for line in wrong)
    assert any("partners.110.hours" in line for line in wrong)
