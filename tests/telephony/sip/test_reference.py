import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.reference import LONGEST, PLAIN, UUI, reference_header, reference_of
from tests.telephony.sip.usage import invite

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=LONGEST)


@pytest.mark.parametrize(
    "headers, reference",
    [
        ((), None),
        (((UUI, "044a5132303236;encoding=hex"),), "JQ2026"),
        (((UUI, "4A5132303236"),), "JQ2026"),
        (((UUI, "044a51;encoding=hex;purpose=isdn-uui"),), "JQ"),
        (((UUI, '"JQ-2026";encoding=ascii'),), "JQ-2026"),
        (((UUI, "not hex"), (PLAIN, " JQ-7 ")), "JQ-7"),
        (((UUI, "04;encoding=hex"),), None),
        (((PLAIN, "x" * 200),), "x" * LONGEST),
    ],
)
def test_the_reference_of_an_invite(
    headers: tuple[tuple[str, str], ...], reference: str | None
) -> None:
    assert reference_of(invite(headers=headers)) == reference


@given(PRINTABLE)
def test_what_is_written_is_read(reference: str) -> None:
    assert reference_of(invite(headers=(reference_header(reference),))) == reference


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80)


@given(LINE, st.sampled_from([UUI, PLAIN]))
def test_anything_is_read_or_left(value: str, name: str) -> None:
    found = reference_of(invite(headers=((name, value),)))
    assert found is None or (0 < len(found) <= LONGEST and found.isprintable())
