import pytest

from telephony.trunks.model import Account, Trunk, TrunkDirectory


@pytest.mark.parametrize(
    "host, found",
    [
        ("10.3.0.7", "telecom"),
        ("10.3.1.7", None),
        ("192.0.2.5", "telecom"),
        ("192.0.2.6", None),
        ("::ffff:192.0.2.5", "telecom"),
        ("2001:db8::7", "unicom"),
        ("::1", None),
    ],
)
def test_whose_an_address_is(host: str, found: str | None) -> None:
    directory = TrunkDirectory(
        [
            Trunk.allowing("10.3.0.0/24", "192.0.2.5", name="telecom"),
            Trunk.allowing("2001:db8::/32", "10.3.0.0/25", name="unicom"),
        ]
    )
    trunk = directory.find(host)
    assert (trunk and trunk.name) == found


def test_without_trunks_everybody_is_a_stranger() -> None:
    assert TrunkDirectory([]).find("127.0.0.1") is None


def test_what_a_host_name_leads_to_is_learnt_anew_each_time() -> None:
    trunk, other = Trunk(name="telecom", host="sbc.example"), Trunk.allowing("10.9.9.9", name="x")
    directory = TrunkDirectory([trunk, other])
    assert directory.find("10.1.1.1") is None
    directory.learn(trunk, ["10.1.1.1", "2001:db8:0::1"])
    assert directory.find("10.1.1.1") is trunk
    assert directory.find("2001:db8::1") is trunk
    directory.learn(trunk, ["10.1.1.2"])
    assert directory.find("10.1.1.1") is None
    assert directory.find("10.1.1.2") is trunk


def test_networks_count_more_than_what_was_learnt() -> None:
    trunk, other = Trunk(name="telecom", host="sbc.example"), Trunk.allowing("10.9.9.9", name="x")
    directory = TrunkDirectory([trunk, other])
    directory.learn(trunk, ["10.9.9.9"])
    assert directory.find("10.9.9.9") is other


@pytest.mark.parametrize("network", ["10.3.0.1/24", "hotline.example"])
def test_a_wrong_network_is_named(network: str) -> None:
    with pytest.raises(ValueError, match=network):
        Trunk.allowing(network)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        TrunkDirectory([Trunk.allowing("10.0.0.1"), Trunk.allowing("10.0.0.2")])


def test_a_password_is_not_shown() -> None:
    trunk = Trunk(name="telecom", host="sbc", account=Account("12345", "swordfish"))
    assert "swordfish" not in repr(trunk)
