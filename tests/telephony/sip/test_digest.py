from dataclasses import replace

import pytest
from aiosipua import SipDigestAuth, build_credentials, stringify_auth
from aiosipua.headers import parse_auth
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.digest import (
    Algorithm,
    Credentials,
    DigestError,
    DigestGuard,
    Verdict,
    expected_response,
    hash_secret,
    parse_credentials,
    same_target,
)

REALM, USER, PASSWORD = "hotline", "1001", "s3cret"
URI = "sip:127.0.0.1:5060"
NOW = 1_700_000_000.0


def guard(**options: int) -> DigestGuard:
    return DigestGuard(realm=REALM, secret=b"k" * 32, **options)


def ha1(algorithm: Algorithm = "MD5", password: str = PASSWORD) -> str:
    return hash_secret(USER, REALM, password, algorithm)


def respond(
    challenge: str, *, count: int = 1, password: str = PASSWORD, qop: bool = True
) -> Credentials:
    """Answer with aiosipua's client, which nobody here wrote."""
    given_challenge = parse_auth(challenge)
    if not qop:
        del given_challenge.params["qop"]
    built = build_credentials(
        SipDigestAuth(USER, password), given_challenge, "REGISTER", URI, nonce_count=count
    )
    assert built is not None
    return parse_credentials(stringify_auth(built))


def judge(
    of: DigestGuard,
    credentials: Credentials,
    *,
    now: float = NOW,
    method: str = "REGISTER",
    uri: str = URI,
    known: str | None = "",
) -> Verdict:
    secret = ha1(credentials.algorithm) if known == "" else known
    return of.judge(credentials, ha1=secret, method=method, uri=uri, now=now)


def test_rfc_2617_example() -> None:
    credentials = Credentials(
        username="Mufasa",
        realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        uri="/dir/index.html",
        response="6629fae49393a05397450978507c4ef1",
        qop="auth",
        nc=1,
        cnonce="0a4f113b",
    )
    secret = hash_secret("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5")
    assert expected_response(credentials, ha1=secret, method="GET") == credentials.response


def test_rfc_7616_example() -> None:
    credentials = Credentials(
        username="Mufasa",
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        uri="/dir/index.html",
        response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        algorithm="SHA-256",
        qop="auth",
        nc=1,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    secret = hash_secret("Mufasa", "http-auth@example.org", "Circle of Life", "SHA-256")
    assert expected_response(credentials, ha1=secret, method="GET") == credentials.response


def test_md5_is_offered_first_and_both_share_one_nonce() -> None:
    challenges = [parse_auth(value) for value in guard().challenge(NOW, salt=b"12345678")]
    assert [challenge.params["algorithm"] for challenge in challenges] == ["MD5", "SHA-256"]
    assert len({challenge.params["nonce"] for challenge in challenges}) == 1
    assert all("stale" not in challenge.params for challenge in challenges)
    assert "stale=true" in guard().challenge(NOW, salt=b"1", stale=True)[1]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("qop", [True, False])
def test_right_credentials(index: int, qop: bool) -> None:  # noqa: FBT001
    of = guard()
    credentials = respond(of.challenge(NOW, salt=b"1")[index], qop=qop)
    assert judge(of, credentials) == "ok"


@pytest.mark.parametrize("count", [2, 70])
def test_a_nonce_serves_for_as_many_requests_as_are_counted(count: int) -> None:
    of = guard()
    challenge = of.challenge(NOW, salt=b"1")[0]
    verdicts = [judge(of, respond(challenge, count=n)) for n in range(1, count + 1)]
    assert verdicts == ["ok"] * count


def test_a_wrong_password_an_unknown_user_another_realm_method_or_target() -> None:
    of = guard()
    challenge = of.challenge(NOW, salt=b"1")[0]
    right = respond(challenge)
    assert judge(of, respond(challenge, password="guess")) == "refused"
    assert judge(of, right, known=None) == "refused"
    assert judge(of, right, method="INVITE") == "refused"
    assert judge(of, right, uri="sip:10.0.0.1:5060") == "refused"
    elsewhere = DigestGuard(realm="elsewhere", secret=b"k" * 32)
    assert judge(elsewhere, right) == "refused"
    assert judge(of, replace(right, response="")) == "refused"
    assert judge(of, right) == "ok"


def test_who_was_refused_is_given_the_same_nonce_again() -> None:
    first = guard().challenge(NOW, salt=b"a")[0]
    again = guard().challenge(NOW + 1, salt=b"b", refused=respond(first).nonce)
    assert parse_auth(again[0]).params["nonce"] == parse_auth(first).params["nonce"]
    assert "stale" not in parse_auth(again[0]).params


def test_an_empty_secret_opens_nothing() -> None:
    of = guard()
    challenge = parse_auth(of.challenge(NOW, salt=b"1")[0])
    nonce = challenge.params["nonce"]
    forged = Credentials("nobody", REALM, nonce, URI, response="")
    proof = expected_response(forged, ha1="", method="REGISTER")
    assert judge(of, replace(forged, response=proof), known=None) == "refused"


def test_an_old_nonce_is_stale() -> None:
    of = guard(nonce_seconds=300)
    credentials = respond(of.challenge(NOW, salt=b"1")[0])
    assert judge(of, credentials, now=NOW + 300.1) == "stale"
    assert judge(of, credentials, now=NOW + 300) == "ok"


def test_a_nonce_of_the_future_is_stale_but_clocks_may_differ_a_little() -> None:
    of = guard()
    assert judge(of, respond(of.challenge(NOW + 60, salt=b"1")[0])) == "stale"
    assert judge(of, respond(of.challenge(NOW + 1, salt=b"1")[0])) == "ok"


@pytest.mark.parametrize("nonce", ["", "x", "0" * 60, "0" * 300, "é" * 50])
def test_a_nonce_that_is_not_ours_is_stale(nonce: str) -> None:
    of = guard()
    credentials = replace(respond(of.challenge(NOW, salt=b"1")[0]), nonce=nonce)
    proof = expected_response(credentials, ha1=ha1(), method="REGISTER")
    assert judge(of, replace(credentials, response=proof)) == "stale"


def test_another_node_with_the_secret_accepts_the_nonce_and_one_without_does_not() -> None:
    credentials = respond(guard().challenge(NOW, salt=b"1")[0])
    assert judge(guard(), credentials) == "ok"
    assert judge(DigestGuard(realm=REALM, secret=b"other"), credentials) == "stale"


def test_a_replay_is_stale() -> None:
    of = guard()
    challenge = of.challenge(NOW, salt=b"1")[0]
    first, second = respond(challenge, count=1), respond(challenge, count=2)
    assert [judge(of, credentials) for credentials in (second, first, second, first)] == [
        "ok",
        "ok",
        "stale",
        "stale",
    ]


def test_a_count_far_behind_is_stale() -> None:
    of = guard()
    challenge = of.challenge(NOW, salt=b"1")[0]
    assert judge(of, respond(challenge, count=100)) == "ok"
    assert judge(of, respond(challenge, count=37)) == "ok"
    assert judge(of, respond(challenge, count=36)) == "stale"


def test_without_counts_a_nonce_serves_once() -> None:
    of = guard()
    credentials = respond(of.challenge(NOW, salt=b"1")[0], qop=False)
    assert [judge(of, credentials), judge(of, credentials)] == ["ok", "stale"]


def test_forgotten_nonces_cannot_be_replayed() -> None:
    of = guard(most_nonces=3)
    used = [respond(of.challenge(NOW + n, salt=b"1")[0]) for n in range(5)]
    unused = respond(of.challenge(NOW + 2.5, salt=b"2")[0])
    early = respond(of.challenge(NOW - 1, salt=b"2")[0])
    assert [judge(of, credentials, now=NOW + 5) for credentials in used] == ["ok"] * 5
    assert [judge(of, credentials, now=NOW + 5) for credentials in used] == ["stale"] * 5
    assert judge(of, unused, now=NOW + 5) == "ok"
    assert judge(of, early, now=NOW + 5) == "stale"


@given(st.lists(st.integers(1, 200), max_size=60))
def test_no_count_is_ever_accepted_twice(counts: list[int]) -> None:
    of = guard()
    challenge = of.challenge(NOW, salt=b"1")[0]
    accepted = [n for n in counts if judge(of, respond(challenge, count=n)) == "ok"]
    assert len(accepted) == len(set(accepted))
    assert set(counts[:1]) <= set(accepted)


@pytest.mark.parametrize(
    "proved, asked, same",
    [
        ("sip:127.0.0.1:5060", "sip:127.0.0.1:5060", True),
        ("sip:127.0.0.1", "sip:127.0.0.1:5060", True),
        ("sip:127.0.0.1:5060;transport=UDP", "sip:127.0.0.1", True),
        ("sip:HOST.example", "sip:host.example", True),
        ("sip:1001@host", "sip:host", False),
        ("sip:host:5061", "sip:host", False),
        ("sips:host", "sip:host", False),
        ("", "sip:host", False),
    ],
)
def test_targets(proved: str, asked: str, same: bool) -> None:  # noqa: FBT001
    assert same_target(proved, asked) is same


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\nb"])
def test_a_realm_that_cannot_be_written(realm: str) -> None:
    with pytest.raises(ValueError, match="realm"):
        DigestGuard(realm=realm, secret=b"k")


# Reading

FIELDS = 'username="u", realm="r", nonce="n", uri="sip:x", response="0"'


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic dXNlcg==",
        "Digest",
        'Digest username="u"',
        f"Digest {FIELDS}, algorithm=SHA-512-256",
        f"Digest {FIELDS}, algorithm=MD5-sess",
        f"Digest {FIELDS}, qop=auth-int, nc=00000001, cnonce=c",
        f"Digest {FIELDS}, qop=auth, cnonce=c",
        f"Digest {FIELDS}, qop=auth, nc=00000001",
        f"Digest {FIELDS}, qop=auth, nc=1, cnonce=c",
        f"Digest {FIELDS}, qop=auth, nc=0000000g, cnonce=c",
        f'Digest {FIELDS}, username="other"',
        f'Digest {FIELDS}, opaque="',
        f"Digest {FIELDS} x",
    ],
)
def test_what_is_not_digest_credentials(value: str) -> None:
    with pytest.raises(DigestError):
        parse_credentials(value)


def test_escapes_case_and_missing_spaces() -> None:
    value = (
        r'dIgEsT USERNAME="a\"b",realm="r",nonce="n",uri="sip:x;y=1,2",response="0",'
        'Algorithm=sha-256,qop="auth",nc=0000000A,cnonce="c,d"'
    )
    assert parse_credentials(value) == Credentials(
        username='a"b',
        realm="r",
        nonce="n",
        uri="sip:x;y=1,2",
        response="0",
        algorithm="SHA-256",
        qop="auth",
        nc=10,
        cnonce="c,d",
    )


names = st.sampled_from(
    ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "x"]
)
pairs = st.tuples(names, st.text(max_size=8), st.booleans()).map(
    lambda pair: f'{pair[0]}="{pair[1]}"' if pair[2] else f"{pair[0]}={pair[1]}"
)


@given(st.text() | st.lists(pairs, max_size=12).map(lambda given_: "Digest " + ",".join(given_)))
def test_any_text_is_read_or_refused_and_never_opens_the_door(value: str) -> None:
    try:
        credentials = parse_credentials(value)
    except DigestError:
        return
    assert judge(guard(), credentials) == "refused"
