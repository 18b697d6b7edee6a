"""Client and server transaction joined by a link that loses, delays and doubles datagrams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.client_transaction import client_transaction
from telephony.sip.transaction import Timers
from tests.telephony.sip.link import LOST, PERFECT, Fate, Link, Told
from tests.telephony.sip.samples import request


def join(method: str, *plan: tuple[float, int], fates: list[Fate] | None = None) -> Told:
    client = client_transaction(request(method), Timers())
    link = Link(client, plan=plan, fates=fates or [])
    told = link.run()
    assert (client.state, client.deadline) == ("terminated", None)
    assert link.server is None or (link.server.state, link.server.deadline) == ("terminated", None)
    assert told.client_terminated == 1
    assert told.server_terminated == (link.server is not None)
    return told


def test_a_call_that_is_answered() -> None:
    told = join("INVITE", (0.1, 180), (3.0, 200))
    assert told.client == [180, 200]
    assert told.server == ["INVITE", "ACK"]


def test_a_call_that_is_refused() -> None:
    told = join("INVITE", (0.1, 180), (3.0, 486))
    assert told.client == [180, 486]
    assert told.server == ["INVITE"]


def test_a_call_whose_user_is_slow_is_sent_once() -> None:
    told = join("INVITE", (3.0, 180), (4.0, 486))
    assert told.client == [100, 180, 486]


def test_a_request() -> None:
    told = join("OPTIONS", (0.1, 200))
    assert (told.client, told.server) == ([200], ["OPTIONS"])


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_nobody_hears(method: str) -> None:
    told = join(method, (0.1, 200), fates=[LOST] * 20)
    assert (told.client, told.server) == (["timeout"], [])


def test_a_2xx_whose_ack_is_lost_is_delivered_again_until_an_ack_arrives() -> None:
    told = join("INVITE", (0.1, 200), fates=[PERFECT, PERFECT, LOST, PERFECT, LOST])
    assert told.client == [200, 200, 200]
    assert told.server == ["INVITE", "ACK"]


def test_a_refusal_whose_acks_are_lost_is_delivered_once() -> None:
    told = join("INVITE", (0.1, 486), fates=[PERFECT, PERFECT, LOST, PERFECT, LOST])
    assert told.client == [486]
    assert told.server == ["INVITE"]


def test_a_caller_who_only_hears_ringing_can_give_up() -> None:
    told = join("INVITE", (0.1, 180), (3.0, 486), fates=[PERFECT, PERFECT, *[LOST] * 20])
    assert told.client == [180, "timeout"]
    assert told.server == ["INVITE", "timeout"]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("losses", range(6))
def test_five_losses_in_a_row_delay_the_answer_but_do_not_lose_it(
    method: str, status: int, losses: int
) -> None:
    assert join(method, (0.1, status), fates=[LOST] * losses).client[-1] == status
    answers = [PERFECT, *[LOST] * losses]
    assert join(method, (0.1, status), fates=answers).client[-1] == status


FATES = st.lists(st.lists(st.floats(0.001, 6.0), max_size=3).map(tuple), max_size=40)


@given(
    method=st.sampled_from(["INVITE", "OPTIONS", "BYE"]),
    rings=st.lists(st.tuples(st.floats(0, 2), st.sampled_from([180, 183])), max_size=2),
    final=st.tuples(st.floats(2, 20), st.sampled_from([200, 302, 404, 486, 503, 603])),
    fates=FATES,
)
def test_whatever_the_link_does_each_side_comes_to_one_end(
    method: str, rings: list[tuple[float, int]], final: tuple[float, int], fates: list[Fate]
) -> None:
    told = join(method, *rings, final, fates=fates)
    ends = [what for what in told.client if isinstance(what, str) or what >= 200]
    status = final[1]
    if method == "INVITE" and status == 200:
        assert set(ends) in ({200}, {"timeout"})
    else:
        assert ends in ([status], ["timeout"])
    assert told.client == sorted(told.client, key=lambda what: isinstance(what, str) or what >= 200)
    assert told.server.count(method) == (1 if told.server else 0)
    assert told.server.count("timeout") <= 1
