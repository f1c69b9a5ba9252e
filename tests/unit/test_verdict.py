"""Judging: what agrees, and which hop and field every single difference is told at."""

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from doublehop.codes import KrbError
from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    Domain,
    Encryption,
    Expect,
    FrontEndSaw,
    Given,
    KdcLine,
    Level,
    Observation,
    Principal,
    Scheme,
    VerdictKind,
)
from doublehop.scope import Scope
from doublehop.verdict import judge

GIVEN = Given(names={"portal": "A web1"}, users={"alice": Principal(), "bob": Principal()},
              accounts={"pool": Principal()})
HTTP, SQL = "HTTP/portal.s1.doublehop.test", "MSSQLSvc/sql1.doublehop.test"
REALM = "@DOUBLEHOP.TEST"
HOP1 = KdcLine(kind="TGS", client="lab-alice", service=HTTP)
HOP2 = KdcLine(kind="TGS", client="s1-pool", service=SQL, impersonated="lab-alice")
REFUSED = dataclasses.replace(HOP2, error="KDC_ERR_BADOPTION", reason="Constrained delegation not allowed")

WORKS = Expect(spn="HTTP/{portal}", status=200, offers=("Negotiate",), scheme="Kerberos", user="alice",
               level="Delegate", thread="alice", sees={"sql": "alice"}, handshakes=1)
SEEN = Observation(
    client=ClientSaw(spn=HTTP, status=200, offers=("Negotiate",), handshakes=1),
    front_end=FrontEndSaw(scheme="Kerberos", user=f"lab-alice{REALM}", level="Delegate", thread=f"lab-alice{REALM}",
                          pool="s1-pool"),
    back_ends={"sql": BackEndSaw(identity=f"lab-alice{REALM}", scheme="KERBEROS", encrypted=True)},
    kdc=(HOP1, HOP2),
)
DENIED = dataclasses.replace(WORKS, level="Impersonate", sees={}, fails={"sql": "KDC_ERR_BADOPTION"})
SEEN_DENIED = Observation(
    client=SEEN.client, front_end=dataclasses.replace(SEEN.front_end or FrontEndSaw(), level="Impersonate"),
    back_ends={"sql": BackEndSaw(error="KDC_ERR_BADOPTION")}, kdc=(HOP1, REFUSED),
)
REJECTED = Expect(spn="HTTP/{portal}", status=401, error="KRB_AP_ERR_MODIFIED")
SEEN_REJECTED = Observation(client=ClientSaw(spn=HTTP, status=401, handshakes=1),
                            front_end=FrontEndSaw(error="KRB_AP_ERR_MODIFIED", native="x"), kdc=(HOP1,))
NO_SPN = Expect(spn="HTTP/{portal}", status=401, kdc="KDC_ERR_S_PRINCIPAL_UNKNOWN")
SEEN_NO_SPN = Observation(
    client=ClientSaw(spn=HTTP, status=401, error="KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    kdc=(dataclasses.replace(HOP1, error="KDC_ERR_S_PRINCIPAL_UNKNOWN"),),
)
REGISTERED = Expect(directory="constraintViolation")
SEEN_REGISTERED = Observation(directory="constraintViolation")


@pytest.fixture(scope="session")
def scope(topology):
    return Scope(topology=topology, given=GIVEN, prefix="s1")


def differences(expect, observation, scope):
    verdict = judge(expect, observation, scope)
    assert (verdict.kind is VerdictKind.AGREED) == (not verdict.differences)
    return [(each.hop, each.field) for each in verdict.differences]


def change(observation, part, **fields):
    """The observation with one hop's record changed."""
    if part == "sql":
        return dataclasses.replace(
            observation, back_ends={"sql": dataclasses.replace(observation.back_ends["sql"], **fields)})
    return dataclasses.replace(observation, **{part: dataclasses.replace(getattr(observation, part), **fields)})


AGREED = {
    "delegated": (WORKS, SEEN),
    "denied": (DENIED, SEEN_DENIED),
    "rejected": (REJECTED, SEEN_REJECTED),
    "no SPN": (NO_SPN, SEEN_NO_SPN),
    "registration": (REGISTERED, SEEN_REGISTERED),
    "nothing": (Expect(), Observation()),
}


@pytest.mark.parametrize(("expect", "observation"), AGREED.values(), ids=AGREED)
def test_what_was_expected_agrees(scope, expect, observation):
    assert differences(expect, observation, scope) == []


DIFFERENT = {
    "another SPN": (change(SEEN, "client", spn="HTTP/web1.doublehop.test"), ("client", "spn")),
    "no SPN": (change(SEEN, "client", spn=""), ("client", "spn")),
    "client's error": (change(SEEN, "client", error="KRB_AP_ERR_SKEW"), ("client", "error")),
    "status": (change(SEEN, "client", status=401), ("client", "status")),
    "offers": (change(SEEN, "client", offers=("Negotiate", "NTLM")), ("client", "offers")),
    "handshakes": (change(SEEN, "client", handshakes=2), ("client", "handshakes")),
    "front end's error": (change(SEEN, "front_end", error="SEC_E_NO_CREDENTIALS"), ("front end", "error")),
    "scheme": (change(SEEN, "front_end", scheme="NTLM"), ("front end", "scheme")),
    "user": (change(SEEN, "front_end", user=f"lab-bob{REALM}"), ("front end", "user")),
    "level": (change(SEEN, "front_end", level="Impersonate"), ("front end", "level")),
    "thread": (change(SEEN, "front_end", thread=f"s1-pool{REALM}"), ("front end", "thread")),
    "identity": (change(SEEN, "sql", identity=f"s1-pool{REALM}"), ("back end sql", "identity")),
    "back end's error": (change(SEEN, "sql", error="LOGIN_FAILED"), ("back end sql", "error")),
    "back end's scheme": (change(SEEN, "sql", scheme="OTHER"), ("back end sql", "scheme")),
    "no line for hop 1": (dataclasses.replace(SEEN, kdc=(HOP2,)), ("KDC", f"answer for {HTTP}")),
    "hop 1 refused": (dataclasses.replace(SEEN, kdc=(dataclasses.replace(HOP1, error="KDC_ERR_POLICY"), HOP2)),
                      ("KDC", f"answer for {HTTP}")),
    "no line for hop 2": (dataclasses.replace(SEEN, kdc=(HOP1,)), ("KDC", "ticket for MSSQLSvc/")),
    "hop 2 refused": (dataclasses.replace(SEEN, kdc=(HOP1, REFUSED)), ("KDC", "ticket for MSSQLSvc/")),
    "hop 2 for another": (dataclasses.replace(SEEN, kdc=(HOP1, dataclasses.replace(HOP2, impersonated="lab-bob"))),
                          ("KDC", "ticket for MSSQLSvc/")),
    "hop 2 as the pool": (dataclasses.replace(SEEN, kdc=(HOP1, dataclasses.replace(HOP2, impersonated=""))),
                          ("KDC", "ticket for MSSQLSvc/")),
    "sign-in is no ticket for hop 2": (
        dataclasses.replace(SEEN, kdc=(HOP1, dataclasses.replace(HOP2, kind="AS"))), ("KDC", "ticket for MSSQLSvc/")),
}


@pytest.mark.parametrize(("observation", "where"), DIFFERENT.values(), ids=DIFFERENT)
def test_one_difference_is_told_at_its_hop_and_field(scope, observation, where):
    assert differences(WORKS, observation, scope) == [where]


OTHERS: dict[str, tuple[Expect, Observation, list[tuple[str, str]]]] = {
    "refused without the KDC's line": (DENIED, dataclasses.replace(SEEN_DENIED, kdc=(HOP1,)),
                                       [("KDC", "answer for MSSQLSvc/")]),
    "refused by the client alone": (NO_SPN, dataclasses.replace(SEEN_NO_SPN, kdc=()), [("KDC", f"answer for {HTTP}")]),
    "delegated where it must not": (DENIED, SEEN, [
        ("front end", "level"), ("back end sql", "identity"), ("back end sql", "error"),
        ("KDC", "answer for MSSQLSvc/")]),
    "a back end nobody expected": (
        REJECTED, dataclasses.replace(SEEN_REJECTED, back_ends={"sql": BackEndSaw(identity="lab-alice")}),
        [("back end sql", "identity")]),
    "no front end at all": (REJECTED, dataclasses.replace(SEEN_REJECTED, front_end=None), [("front end", "error")]),
    "another result of a registration": (REGISTERED, Observation(directory="success"), [("directory", "result")]),
    "no result of a registration": (REGISTERED, Observation(), [("directory", "result")]),
    "a registration nobody asked for": (WORKS, dataclasses.replace(SEEN, directory="success"),
                                        [("directory", "result")]),
}


@pytest.mark.parametrize(("expect", "observation", "where"), OTHERS.values(), ids=OTHERS)
def test_other_differences(scope, expect, observation, where):
    assert differences(expect, observation, scope) == where


def test_a_page_that_saw_nobody_needs_no_ticket_and_one_that_was_shown_a_ticket_saw_somebody(scope):
    expect = dataclasses.replace(WORKS, sees={"sql": "ANONYMOUS"})
    seen = dataclasses.replace(change(SEEN, "sql", identity="ANONYMOUS", scheme="OTHER"), kdc=(HOP1,))
    assert differences(expect, seen, scope) == []
    assert differences(expect, change(seen, "sql", scheme="KERBEROS"), scope) == [("back end sql", "scheme")]
    assert differences(WORKS, seen, scope)[:2] == [("back end sql", "identity"), ("back end sql", "scheme")]


def test_the_kdcs_answer_counts_also_where_the_page_has_another_word_for_it(scope):
    """SqlClient's 18456 tells nothing of the ticket that was refused, and would be the same without any request."""
    expect = dataclasses.replace(DENIED, fails={"sql": "LOGIN_FAILED"}, refused={"sql": "KDC_ERR_BADOPTION"})
    seen = change(SEEN_DENIED, "sql", error="LOGIN_FAILED")
    assert differences(expect, seen, scope) == []
    where = [("KDC", f"answer for {SQL}".replace("sql1.doublehop.test", ""))]
    issued = dataclasses.replace(HOP2, error="")
    for lines in ((HOP1,), (HOP1, issued)):
        assert differences(expect, dataclasses.replace(seen, kdc=lines), scope) == where
    assert differences(dataclasses.replace(expect, refused={}), dataclasses.replace(seen, kdc=(HOP1,)), scope) == []


def test_a_difference_says_both_sides_in_words(scope):
    offers = change(SEEN, "client", offers=(), status=500)
    assert [(each.expected, each.observed) for each in judge(WORKS, offers, scope).differences] == [
        ("200", "500"), ("Negotiate", "nothing")]
    (missing,) = judge(WORKS, dataclasses.replace(SEEN, kdc=(HOP1,)), scope).differences
    assert (missing.expected, missing.observed) == ("issued for alice", "nothing")
    (silent,) = judge(DENIED, dataclasses.replace(SEEN_DENIED, kdc=(HOP1,)), scope).differences
    assert (silent.expected, silent.observed) == ("KDC_ERR_BADOPTION", "never asked")


def test_the_kdcs_last_word_counts(scope):
    again = dataclasses.replace(SEEN_DENIED, kdc=(HOP1, HOP2, REFUSED))
    assert differences(DENIED, again, scope) == []
    assert differences(DENIED, dataclasses.replace(again, kdc=(HOP1, REFUSED, HOP2)), scope) == [
        ("KDC", "answer for MSSQLSvc/")]


def test_an_account_that_cannot_sign_in_is_refused_before_it_asks_for_a_service(scope):
    wanted = dataclasses.replace(DENIED, fails={"sql": "KDC_ERR_KEY_EXPIRED"})
    seen = change(SEEN_DENIED, "sql", error="KDC_ERR_KEY_EXPIRED")
    refused = KdcLine(kind="AS", client="lab-pool", service="krbtgt/DOUBLEHOP.TEST", error="KDC_ERR_KEY_EXPIRED")
    assert differences(wanted, dataclasses.replace(seen, kdc=(HOP1, refused)), scope) == []
    for other in ({"error": ""}, {"error": "KDC_ERR_PREAUTH_REQUIRED"}, {"client": "lab-alice"}, {"client": "nobody"}):
        lines = (HOP1, dataclasses.replace(refused, **other))
        (silent,) = judge(wanted, dataclasses.replace(seen, kdc=lines), scope).differences
        assert (silent.hop, silent.observed) == ("KDC", "never asked"), other


def test_spns_are_compared_as_the_directory_does(scope):
    assert differences(WORKS, change(SEEN, "client", spn=HTTP.upper()), scope) == []


def test_what_is_left_open_is_not_judged(scope):
    left_open = dataclasses.replace(WORKS, offers=None, handshakes=None, thread=None)
    other = change(change(SEEN, "client", offers=("NTLM",), handshakes=7), "front_end", thread="IUSR")
    assert differences(left_open, other, scope) == []


def test_a_client_cut_off_from_the_kdc_leaves_no_line_there(topology):
    scope = Scope(topology=topology, given=dataclasses.replace(GIVEN, dc_unreachable_from=("client1",)), prefix="s1")
    expect = Expect(spn="HTTP/{portal}", status=401, kdc="NO_KDC_REACHABLE")
    assert differences(expect, Observation(client=ClientSaw(spn=HTTP, status=401, error="NO_KDC_REACHABLE")),
                       scope) == []


def test_a_request_that_the_kdc_refused_unread_counts_as_the_answer(scope):
    expect = Expect(spn="HTTP/{portal}", status=401, kdc="KRB_AP_ERR_SKEW")
    client = ClientSaw(spn=HTTP, status=401, error="KRB_AP_ERR_SKEW")
    unread = KdcLine(kind="TGS", client="<unknown>", service="", error="KRB_AP_ERR_SKEW")
    assert differences(expect, Observation(client=client, kdc=(unread,)), scope) == []
    assert differences(expect, Observation(client=client), scope) == [("KDC", f"answer for {HTTP}")]


def test_a_tickets_encryption_is_judged_when_it_is_said(scope):
    weak = dataclasses.replace(SEEN, kdc=tuple(dataclasses.replace(each, encryption="RC4") for each in SEEN.kdc))
    assert differences(dataclasses.replace(WORKS, encryption=Encryption.RC4), weak, scope) == []
    assert differences(WORKS, weak, scope) == []
    assert differences(dataclasses.replace(WORKS, encryption=Encryption.AES256), weak, scope) == [
        ("KDC", f"encryption of the ticket for {HTTP}")]


errors = st.sampled_from([each.name for each in KrbError if each.name.startswith("KDC_")])
people = st.sampled_from(["alice", "bob", "pool", "web1$"])
expectations = st.builds(
    Expect, spn=st.just("HTTP/{portal}"), kdc=st.just("") | errors, status=st.sampled_from([200, 401]),
    offers=st.none() | st.just(("Negotiate", "NTLM")), error=st.sampled_from(["", "KRB_AP_ERR_MODIFIED"]),
    scheme=st.sampled_from(["", *Scheme]), user=st.just("") | people, level=st.sampled_from(["", *Level]),
    thread=st.none() | people, handshakes=st.none() | st.integers(0, 3),
) | st.builds(Expect, directory=st.sampled_from(["success", "constraintViolation"]))
asked = st.fixed_dictionaries({"sql": errors | st.just("NO_CREDENTIALS")})
hop2: st.SearchStrategy[dict[str, Any]] = (
    st.fixed_dictionaries({"sees": st.fixed_dictionaries({"sql": people})})
    | st.fixed_dictionaries({"fails": asked}) | st.just({})
)


@st.composite
def expected(draw):
    expect = draw(expectations)
    return expect if expect.directory else dataclasses.replace(expect, **draw(hop2))


def satisfying(expect: Expect, scope: Scope) -> Observation:
    """The observation that an expectation describes."""
    if expect.directory:
        return Observation(directory=expect.directory)
    seen, failed = expect.sees.get("sql", ""), expect.fails.get("sql", "")
    full = scope.principal(seen) if seen else ""
    lines = [dataclasses.replace(HOP1, error=expect.kdc)]
    if seen:
        lines.append(dataclasses.replace(HOP2, impersonated=scope.account(seen)))
    if failed.startswith("KDC_ERR_"):
        lines.append(dataclasses.replace(REFUSED, error=failed))
    return Observation(
        client=ClientSaw(spn=HTTP, error=expect.kdc, status=expect.status, offers=expect.offers or (),
                         handshakes=expect.handshakes or 0),
        front_end=FrontEndSaw(scheme=expect.scheme, user=expect.user and scope.principal(expect.user),
                              level=expect.level, error=expect.error,
                              thread=(expect.thread and scope.principal(expect.thread)) or ""),
        back_ends={"sql": BackEndSaw(identity=full, scheme="KERBEROS" if seen else "", error=failed)},
        kdc=tuple(lines),
    )


JUDGED: list[tuple[str, str, Any]] = [
    ("client", "spn", "HTTP/x"), ("client", "error", "other"), ("client", "status", 500),
    ("client", "offers", ("x",)), ("client", "handshakes", 9),
    ("front_end", "error", "other"), ("front_end", "scheme", "other"), ("front_end", "user", "other"),
    ("front_end", "level", "other"), ("front_end", "thread", "other"),
    ("sql", "identity", "other"), ("sql", "error", "other"), ("sql", "scheme", "other"),
]


@given(expected())
def test_an_observation_made_to_satisfy_agrees(scope, expect):
    assert differences(expect, satisfying(expect, scope), scope) == []


@given(expected(), st.sampled_from(JUDGED))
def test_changing_any_one_judged_field_disagrees(scope, expect, field):
    part, name, other = field
    assume(not expect.directory)
    assume(getattr(expect, name, "") is not None)  # an expectation that leaves the field open
    assume((part, name) != ("sql", "scheme") or expect.sees)
    assert differences(expect, change(satisfying(expect, scope), part, **{name: other}), scope)


@given(expected())
def test_taking_the_kdcs_lines_away_disagrees(scope, expect):
    assume(not expect.directory)
    assert differences(expect, dataclasses.replace(satisfying(expect, scope), kdc=()), scope)


# ---- across a trust ----

REFERRAL = KdcLine(kind="TGS", client="s1-alice", service="krbtgt/DOUBLEHOP.TEST")
SQL2 = "MSSQLSvc/sql2.partner.test"


@pytest.fixture
def across(topology):
    """The names of a scenario whose user is of the partner's domain."""
    return Scope(topology=topology, given=Given(names={"portal": "A web1"},
                                                users={"alice": Principal(domain=Domain.PARTNER)}), prefix="s1")


def test_a_namesake_of_the_other_domain_is_not_the_user(across):
    namesake = f"s1-alice{REALM}"
    seen = change(change(SEEN, "front_end", user=namesake, thread=namesake), "sql", identity=namesake)
    own = dataclasses.replace(seen, kdc=(HOP1, dataclasses.replace(HOP2, impersonated=namesake)))
    assert {each for each in differences(WORKS, own, across) if each[0] != "KDC"} == {
        ("front end", "user"), ("front end", "thread"), ("back end sql", "identity")}


def test_a_referral_that_is_refused_counts_as_the_answer_for_hop_1(across):
    expect = Expect(spn="HTTP/{portal}", status=401, kdc="KDC_ERR_ETYPE_NOSUPP")
    client = ClientSaw(spn=HTTP, status=401, error="KDC_ERR_ETYPE_NOSUPP")
    refused = dataclasses.replace(REFERRAL, error="KDC_ERR_ETYPE_NOSUPP")
    assert differences(expect, Observation(client=client, kdc=(refused,)), across) == []
    assert differences(expect, Observation(client=client, kdc=(REFERRAL,)), across) == [("KDC", f"answer for {HTTP}")]


def test_a_refused_referral_counts_for_a_back_end_of_the_other_domain_alone(across):
    theirs = f"s1-alice@{across.topology.partner.realm}"
    refused = dataclasses.replace(REFUSED, service="krbtgt/PARTNER.TEST")
    seen = change(change(SEEN_DENIED, "front_end", user=theirs, thread=theirs), "client", spn=HTTP)
    beyond = dataclasses.replace(DENIED, fails={"partner-sql": "KDC_ERR_BADOPTION"})
    asked = {"partner-sql": BackEndSaw(error="KDC_ERR_BADOPTION")}
    assert differences(beyond, dataclasses.replace(seen, back_ends=asked, kdc=(HOP1, refused)), across) == []
    assert differences(beyond, dataclasses.replace(seen, back_ends=asked, kdc=(HOP1,)), across) == [
        ("KDC", f"answer for {SQL2}")]
    assert differences(DENIED, dataclasses.replace(seen, kdc=(HOP1, refused)), across) == [
        ("KDC", "answer for MSSQLSvc/")]


def test_a_refused_referral_counts_beside_the_ticket_of_the_user_before(across):
    theirs = f"s1-alice@{across.topology.partner.realm}"
    before = KdcLine(kind="TGS", client="lab-bob", service=SQL2)
    refused = dataclasses.replace(REFUSED, service="krbtgt/PARTNER.TEST")
    seen = change(change(SEEN_DENIED, "front_end", user=theirs, thread=theirs), "client", spn=HTTP)
    seen = dataclasses.replace(seen, back_ends={"partner-sql": BackEndSaw(error="KDC_ERR_BADOPTION")})
    beyond = dataclasses.replace(DENIED, fails={"partner-sql": "KDC_ERR_BADOPTION"})
    assert differences(beyond, dataclasses.replace(seen, kdc=(HOP1, before, refused)), across) == []
    assert differences(beyond, dataclasses.replace(seen, kdc=(HOP1, before)), across) == [
        ("KDC", f"answer for {SQL2}")]


# ---- what the client's own tools show ----


@pytest.mark.parametrize(("scheme", "token", "size", "told"), [
    ("Kerberos", "YIIJ", 2400, ""),
    ("Kerberos", "TlRM", 600, "NTLM"),
    ("Kerberos", "YIIJ", 300, "YIIJ... of 300 letters"),
    ("NTLM", "TlRM", 600, ""),
    ("NTLM", "YIIJ", 2400, "Kerberos"),
    ("NTLM", "TlRM", 1400, "TlRM... of 1400 letters"),
    ("Kerberos", "", 0, ""),  # curl does not tell
])
def test_a_token_that_looks_like_another_scheme_is_told(scope, scheme, token, size, told):
    expect = dataclasses.replace(WORKS, scheme=scheme)
    seen = dataclasses.replace(
        SEEN, client=dataclasses.replace(SEEN.client, token=token, token_size=size),
        front_end=dataclasses.replace(SEEN.front_end or FrontEndSaw(), scheme=scheme))
    found = judge(expect, seen, scope).differences
    assert [(each.hop, each.field, each.expected, each.observed) for each in found] == (
        [("client", "token", scheme, told)] if told else [])


@pytest.mark.parametrize(("expected", "field", "observed"), [
    ({"session_key": Encryption.AES256}, "session key", "RC4"),
    ({"ticket_flags": ("forwardable", "ok_as_delegate")}, "ticket flags", "forwardable"),
    ({"ticket_flags": ()}, "ticket flags", "forwardable"),
])
def test_what_klist_shows_is_compared_when_it_is_expected(scope, expected, field, observed):
    seen = dataclasses.replace(SEEN, client=dataclasses.replace(
        SEEN.client, session_key="RC4", ticket_flags=("forwardable",)))
    assert judge(WORKS, seen, scope).kind is VerdictKind.AGREED
    (found,) = judge(dataclasses.replace(WORKS, **expected), seen, scope).differences
    assert (found.hop, found.field, found.observed) == ("client", field, observed)
    agreed = dataclasses.replace(WORKS, session_key=Encryption.RC4, ticket_flags=("forwardable",))
    assert judge(agreed, seen, scope).kind is VerdictKind.AGREED
