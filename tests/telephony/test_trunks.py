import pytest

from telephony.trunks import Trunks


@pytest.mark.parametrize(
    "host, found",
    [
        ("10.3.0.7", "10.3.0.0/24"),
        ("10.3.1.7", None),
        ("192.0.2.5", "192.0.2.5"),
        ("192.0.2.6", None),
        ("::ffff:192.0.2.5", "192.0.2.5"),
        ("2001:db8::7", "2001:db8::/32"),
        ("::1", None),
    ],
)
def test_who_is_a_trunk(host: str, found: str | None) -> None:
    assert Trunks(["10.3.0.0/24", "192.0.2.5", "2001:db8::/32"]).find(host) == found


def test_an_empty_list_lets_nobody_in() -> None:
    assert Trunks([]).find("127.0.0.1") is None


@pytest.mark.parametrize("network", ["10.3.0.1/24", "hotline.example"])
def test_a_wrong_entry_is_named(network: str) -> None:
    with pytest.raises(ValueError, match=network):
        Trunks([network])
