from aiosipua import SipResponse
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.dialog import OutgoingRequest
from telephony.sip.digest import expected_response, hash_secret, parse_credentials
from telephony.sip.message import make_response
from telephony.sip.register_client import (
    Begin,
    GotResponse,
    Leave,
    Left,
    Patience,
    RegisterClient,
    Registered,
    RegisterEffect,
    RegisterInput,
    RequestFailed,
    SendRegister,
    TimePassed,
    Unregistered,
)

REGISTER = OutgoingRequest(
    method="REGISTER",
    uri="sip:ims.example",
    destination=("10.0.0.1", 5060),
    from_="<sip:51200000@ims.example>;tag=us",
    to="<sip:51200000@ims.example>",
    call_id="one@us",
    cseq=1,
)
CONTACT = "sip:51200000@10.0.0.9:5060"
PATIENCE = Patience(base=2.0, longest=60.0)
MD5 = 'Digest realm="ims", nonce="n1", algorithm=MD5, qop="auth"'
SHA256 = 'Digest realm="ims", nonce="n1", algorithm=SHA-256, qop="auth"'


def client(expires: int = 600) -> RegisterClient:
    return RegisterClient(
        REGISTER,
        contact=CONTACT,
        user="51200000",
        password="secret",
        expires=expires,
        patience=PATIENCE,
    )


def response(status: int, *headers: tuple[str, str]) -> SipResponse:
    message = REGISTER.to_message()
    message.headers.append("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1")
    return make_response(message, status, headers=headers)


def granted(seconds: int) -> SipResponse:
    other = ("Contact", "<sip:51200000@10.9.9.9:5060>;expires=7")
    return response(200, other, ("Contact", f"<{CONTACT}>;expires={seconds}"))


def sent(effects: list[RegisterEffect]) -> OutgoingRequest:
    (effect,) = [effect for effect in effects if isinstance(effect, SendRegister)]
    return effect.request


def header(request: OutgoingRequest, name: str) -> str | None:
    return dict(request.headers).get(name)


def registered(now: float = 0.0, seconds: int = 300) -> RegisterClient:
    machine = client()
    machine.handle(Begin(), now)
    assert machine.handle(GotResponse(granted(seconds)), now) == [Registered(seconds)]
    return machine


def test_registers_with_what_was_asked_and_refreshes_in_time() -> None:
    machine = client()
    first = sent(machine.handle(Begin(), 0.0))
    assert (first.cseq, header(first, "Contact"), header(first, "Expires")) == (
        1,
        f"<{CONTACT}>",
        "600",
    )
    assert machine.handle(GotResponse(response(100)), 0.1) == []
    # what the registrar grants to our Contact counts, not what it says of others
    assert machine.handle(GotResponse(granted(300)), 0.2) == [Registered(300)]
    assert machine.deadline is not None
    assert 0.2 + 225 <= machine.deadline <= 0.2 + 290
    again = sent(machine.handle(TimePassed(), machine.deadline))
    assert (again.cseq, again.call_id) == (2, first.call_id)
    assert machine.handle(GotResponse(granted(300)), 280.0) == []
    assert machine.state == "registered"


def test_expires_header_counts_where_no_contact_speaks() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    assert machine.handle(GotResponse(response(200, ("Expires", "120"))), 0.0) == [Registered(120)]


def proves(request: OutgoingRequest, algorithm: str, name: str = "Authorization") -> bool:
    credentials = parse_credentials(header(request, name) or "")
    ha1 = hash_secret("51200000", "ims", "secret", credentials.algorithm)
    expected = expected_response(credentials, ha1=ha1, method="REGISTER")
    assert credentials.uri == request.uri
    return credentials.algorithm == algorithm and credentials.response == expected


def test_a_challenge_is_answered_with_the_strongest_algorithm() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    challenge = response(401, ("WWW-Authenticate", MD5), ("WWW-Authenticate", SHA256))
    again = sent(machine.handle(GotResponse(challenge, cnonce="c"), 0.1))
    assert again.cseq == 2
    assert proves(again, "SHA-256")


def test_a_proxys_challenge_and_md5_alone() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    challenge = response(407, ("Proxy-Authenticate", MD5))
    again = sent(machine.handle(GotResponse(challenge, cnonce="c"), 0.1))
    assert proves(again, "MD5", "Proxy-Authorization")


def test_wrong_credentials_are_not_repeated_but_a_stale_nonce_is_answered() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    challenge = response(401, ("WWW-Authenticate", MD5))
    sent(machine.handle(GotResponse(challenge, cnonce="c"), 0.1))
    stale = response(401, ("WWW-Authenticate", f"{MD5}, stale=true"))
    sent(machine.handle(GotResponse(stale, cnonce="c"), 0.2))
    effects = machine.handle(GotResponse(stale, cnonce="c", chance=0.5), 0.3)
    assert effects == [Unregistered("401 Unauthorized")]
    assert machine.deadline == 0.3 + 1.5


def test_too_brief_an_interval_is_lengthened() -> None:
    machine = client(expires=60)
    machine.handle(Begin(), 0.0)
    brief = response(423, ("Min-Expires", "1800"))
    assert header(sent(machine.handle(GotResponse(brief), 0.1)), "Expires") == "1800"
    assert machine.handle(GotResponse(brief), 0.2) == [Unregistered("423 Interval Too Brief")]


def test_a_redirection_is_followed_and_forgotten() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    moved = response(302, ("Contact", "<sip:other.example:5070>"))
    assert sent(machine.handle(GotResponse(moved), 0.1)).uri == "sip:other.example:5070"
    for _ in range(4):
        sent(machine.handle(GotResponse(moved), 0.2))
    assert machine.handle(GotResponse(moved), 0.3) == [Unregistered("302 Moved Temporarily")]
    assert machine.deadline is not None
    assert sent(machine.handle(TimePassed(), machine.deadline)).uri == REGISTER.uri


def test_failures_are_waited_out_longer_and_longer() -> None:
    machine = client()
    now, waits = 0.0, []
    machine.handle(Begin(), now)
    for _ in range(8):
        machine.handle(RequestFailed("timeout", chance=0.5), now)
        assert machine.deadline is not None
        waits.append(machine.deadline - now)
        now = machine.deadline
        sent(machine.handle(TimePassed(), now))
    assert waits == [1.5, 3.0, 6.0, 12.0, 24.0, 45.0, 45.0, 45.0]
    machine.handle(GotResponse(granted(300)), now)
    machine.handle(TimePassed(), now + 299)
    machine.handle(RequestFailed("timeout"), now + 299.1)
    assert machine.deadline == now + 300  # begins anew, and no later than the end


def test_retry_after_is_waited_for() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    busy = response(503, ("Retry-After", "120 (lunch);duration=60"))
    assert machine.handle(GotResponse(busy), 1.0) == [Unregistered("503 Service Unavailable")]
    assert machine.deadline == 121.0


def test_a_failed_refresh_costs_nothing_until_the_end() -> None:
    machine = registered(seconds=100)
    assert machine.deadline is not None
    now = machine.deadline
    sent(machine.handle(TimePassed(), now))
    assert machine.handle(RequestFailed("timeout"), now + 1) == []
    assert machine.deadline is not None
    sent(machine.handle(TimePassed(), machine.deadline))
    # no answer at all: the binding ends by itself, and the request that is under way may still win
    assert machine.deadline == 100.0
    assert machine.handle(TimePassed(), 100.0) == [Unregistered("expired")]
    assert machine.handle(GotResponse(granted(100)), 101.0) == [Registered(100)]


def test_leaving_takes_the_binding_back() -> None:
    machine = registered()
    effects = machine.handle(Leave(), 1.0)
    assert header(sent(effects), "Expires") == "0"
    assert effects[1:] == [Unregistered("un-registered")]
    challenge = response(401, ("WWW-Authenticate", MD5))
    assert header(sent(machine.handle(GotResponse(challenge), 1.1)), "Expires") == "0"
    assert machine.handle(GotResponse(response(200)), 1.2) == [Left()]
    assert machine.deadline is None


def test_who_was_never_registered_just_leaves() -> None:
    machine = client()
    machine.handle(Begin(), 0.0)
    assert machine.handle(Leave(), 1.0) == [Left()]
    assert machine.handle(TimePassed(), 999.0) == []


responses = st.builds(
    response,
    st.sampled_from([100, 200, 301, 302, 401, 403, 404, 407, 423, 500, 503]),
    st.sampled_from(
        [
            ("WWW-Authenticate", MD5),
            ("WWW-Authenticate", 'Digest realm="a"b, nonce=,,"'),
            ("Proxy-Authenticate", SHA256),
            ("Contact", f"<{CONTACT}>;expires=60"),
            ("Contact", "<sip:other.example>"),
            ("Contact", "nonsense <"),
            ("Min-Expires", "9" * 5000),
            ("Expires", "60"),
            ("Retry-After", "9" * 5000),
        ]
    ),
)
inputs: st.SearchStrategy[RegisterInput] = st.one_of(
    st.just(Begin()),
    st.just(TimePassed()),
    st.builds(GotResponse, responses, st.just("c"), st.floats(0, 1, exclude_max=True)),
    st.builds(RequestFailed, st.sampled_from(["timeout", "transport"]), st.just(0.5)),
)


@given(st.lists(st.tuples(inputs, st.floats(0, 400)), max_size=60))
def test_any_order_of_events(story: list[tuple[RegisterInput, float]]) -> None:
    machine, now, is_registered, under_way, cseq = client(), 0.0, False, 0, 0
    told = machine.handle(Begin(), now)
    for event, pause in [(None, 0.0), *story]:
        now += pause
        if event is not None:
            if isinstance(event, GotResponse | RequestFailed) and not under_way:
                continue
            if isinstance(event, RequestFailed) or (
                isinstance(event, GotResponse) and event.response.status_code >= 200
            ):
                under_way -= 1
            told = machine.handle(event, now)
        for effect in told:
            match effect:
                case SendRegister(request):
                    under_way += 1
                    assert request.cseq > cseq, "§10.2.4: higher each time"
                    cseq = request.cseq
                case Registered():
                    assert not is_registered
                    is_registered = True
                case Unregistered():
                    is_registered = False
        assert under_way <= 1
        # it always goes on by itself: something is under way, or a time is set
        assert under_way or machine.deadline is not None
    machine.handle(Leave(), now)
    assert machine.deadline is None
