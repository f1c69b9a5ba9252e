"""Explanations: what a scenario says in words, and the named cause of each refusal."""

import dataclasses

import pytest

from doublehop.explain import causes, describe, explain
from doublehop.model import (
    BackEndSaw,
    ClientSaw,
    Difference,
    FrontEndSaw,
    Given,
    KdcLine,
    Observation,
    Principal,
    Result,
    Verdict,
    VerdictKind,
)
from doublehop.scope import Scope, scope_of

SCENARIO = """
needs = ["kerberos"]
given.names.portal = "A web1"
given.users.alice.account_not_delegated = true
given.accounts.pool = { spns = ["HTTP/{portal}"], allowed_to_delegate_to = ["MSSQLSvc/{sql1}"], sql_login = false }
given.computers.sql1.principals_allowed_to_delegate_to_account = ["pool"]
given.duplicate_spns.pool = "HTTP/{web1}"
given.client_hosts = { "{web1}" = "web2", "{portal}" = "web1" }
given.back_ends.api = "http://{web2}/whoami"
given.dc_unreachable_from = ["client1", "sql1"]
given.clocks.web1 = "+10m"
given.after_sign_in = { alice = { enabled = false }, sql1 = { password_reset = true } }

[it.given.front_ends.web1]
applicationPools.Portal = { identityType = "SpecificUser", userName = "pool" }
httpSys.MaxFieldLength = 65534
sites.Portal.bindings = ["*:8080:{portal}"]
sites.Portal.windowsAuthentication = { providers = ["Negotiate"], useKernelMode = false }
sites.Portal.applications."/" = { applicationPool = "Portal", impersonate = true }

[it.when]
get = "http://{portal}:8080/whoami"
client = { zone = "internet", port_in_spn = true }
times = 2

[it.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Impersonate"
fails.sql = "KDC_ERR_BADOPTION"
"""

DESCRIBED = """\
topic::it: t

w
Sources: S-02
Needs: kerberos, rbcd, offline-directory, client-network, network, clocks, request-limits, \
standing-sign-ins, computer-passwords

Given
  DNS name portal.PREFIX.doublehop.test: A web1
  user PREFIX-alice: is sensitive and cannot be delegated
  account PREFIX-pool: holds the SPN HTTP/portal.PREFIX.doublehop.test; may delegate to \
MSSQLSvc/sql1.doublehop.test; has no login at the database
  computer SQL1$: lets pool act on behalf of others (RBCD)
  PREFIX-pool holds HTTP/web1.doublehop.test as well, against the directory's own check
  the client's hosts file says that web1.doublehop.test is web2
  the client's hosts file says that portal.PREFIX.doublehop.test is web1
  back end api: the page http://web2.doublehop.test/whoami
  the clock of web1 is off by +10m
  once users have signed in, PREFIX-alice is disabled
  once users have signed in, SQL1$ gets a new password
  client1 cannot reach the domain controller
  sql1 cannot reach the domain controller
  web1: MaxFieldLength is 65534
  web1: site 'Portal' on *:8080:portal.PREFIX.doublehop.test, Windows authentication Negotiate; useKernelMode=False
  web1:   / in pool Portal (pool), impersonate=true

When
  alice opens http://portal.PREFIX.doublehop.test:8080/whoami
  with a browser that has zone=internet, port_in_spn=True
  2 times on one connection
  and the page asks sql

Expected
  client asks the KDC for HTTP/portal.PREFIX.doublehop.test: gets a ticket
  HTTP 200
  front end: Kerberos alice Impersonate
  sql is not reached: KDC_ERR_BADOPTION"""


def test_a_scenario_is_described_in_words(scenario, topology):
    made = scenario(SCENARIO)
    prefix = scope_of(made.id, made.given, topology).prefix
    assert "\n".join(describe(made, topology)) == DESCRIBED.replace("PREFIX", prefix)


def test_a_flip_says_what_it_changes(scenario, topology):
    before = '[base]\ntitle = "b"\nwhy = "w"\nsources = []\nwhen.get = "http://{web1}/"\nexpect.status = 401\n'
    made = scenario('from = "base"\nchange.when.times = 2\nexpect.status = 401', before=before)
    assert "The same as topic::base, but for when.times." in describe(made, topology)


def test_a_program_is_told_by_its_name(scenario, topology):
    made = scenario("when.get = 'http://{web1}/'\nexpect.status = 401\n"
                    "when.client = { program = 'curl', canonicalise = false, ntlm = false, http2 = true }")
    assert "  with curl that has canonicalise=False, ntlm=False, http2=True" in describe(made, topology)


TOLD = {
    "supported_encryption_types = ['RC4']": "supports RC4 (msDS-SupportedEncryptionTypes)",
    "supported_encryption_types = []": "supports nothing in particular (msDS-SupportedEncryptionTypes)",
    "keytab_encryption_types = ['RC4', 'AES256']": "has keys for RC4, AES256 in its keytab",
    "aes_keys = false": "has a password that is older than AES keys, so it has none",
    "domain_local_groups = 3": "is a member of 3 domain local groups",
    "principals_allowed_to_retrieve_managed_password = ['web1']": "is a gMSA whose password web1 may retrieve",
}


@pytest.mark.parametrize(("fact", "words"), TOLD.items(), ids=TOLD)
def test_a_fact_of_an_account_is_told(scenario, topology, fact, words):
    made = scenario(f'given.accounts.pool.{fact}\nwhen.get = "http://{{web1}}/"\nexpect.status = 401')
    assert [each for each in describe(made, topology) if each.startswith("  account ") and each.endswith(f": {words}")]


def test_the_partners_domain_and_the_trust_are_told(scenario, topology):
    made = scenario("given.users.alice.domain = 'partner'\ngiven.trust.supported_encryption_types = ['RC4']\n"
                    "when.get = 'http://{web1}/'\nexpect.status = 401\n"
                    "when.client = { ntlm = false, encryption_types = ['AES128', 'AES256'] }")
    lines = describe(made, topology)
    assert [each for each in lines if each.startswith("  user ") and each.endswith("-alice@PARTNER.TEST")]
    assert "  the trust with PARTNER.TEST supports RC4" in lines
    assert "  with a browser that has ntlm=False, encryption_types=AES128+AES256" in lines
    assert "Needs: trust, other-clients" in lines


REGISTRATION = 'when = { register = "HTTP/{web1}", on = "web1" }\nexpect.directory = "constraintViolation"'


def test_a_registration_is_described_in_words(scenario, topology):
    lines = describe(scenario(REGISTRATION), topology)
    assert "  administrator registers HTTP/web1.doublehop.test on web1" in lines
    assert lines[-1] == "  the directory answers constraintViolation"


# --- causes --------------------------------------------------------------------------------------

SQL, HTTP = "MSSQLSvc/sql1.doublehop.test", "HTTP/portal.s1.doublehop.test"
LISTED = Principal(allowed_to_delegate_to=("MSSQLSvc/{sql1}",))
NOT_ALLOWED = KdcLine(kind="TGS", client="lab-pool", service=SQL, impersonated="lab-alice", error="KDC_ERR_BADOPTION",
                      reason="Constrained delegation not allowed")
NOT_FORWARDABLE = dataclasses.replace(
    NOT_ALLOWED, reason="Missing forwardable flag on ticket for constrained delegation")
UNKNOWN = KdcLine(kind="TGS", client="lab-alice", service=HTTP, error="KDC_ERR_S_PRINCIPAL_UNKNOWN")
WRONG_KEY = FrontEndSaw(error="KRB_AP_ERR_MODIFIED", native="Message stream modified")

CAUSES = {
    "no delegation right": (
        {"accounts": {"pool": Principal()}}, Observation(kdc=(NOT_ALLOWED,)),
        f"lab-pool has no delegation right: list {SQL} in msDS-AllowedToDelegateTo, or use RBCD"),
    "a computer without delegation right": (
        {"computers": {"web1": Principal()}},
        Observation(kdc=(dataclasses.replace(NOT_ALLOWED, client="WEB1$"),)),
        f"WEB1$ has no delegation right: list {SQL} in msDS-AllowedToDelegateTo, or use RBCD"),
    "an untouched computer": (
        {}, Observation(kdc=(dataclasses.replace(NOT_ALLOWED, client="WEB1$"),)),
        f"WEB1$ has no delegation right: list {SQL} in msDS-AllowedToDelegateTo, or use RBCD"),
    "sensitive user": (
        {"accounts": {"pool": LISTED}, "users": {"alice": Principal(account_not_delegated=True)}},
        Observation(kdc=(NOT_FORWARDABLE,)),
        "alice is sensitive or a protected user, so no ticket of theirs can be delegated"),
    "protected user": (
        {"accounts": {"pool": LISTED}, "users": {"alice": Principal(protected_user=True)}},
        Observation(kdc=(NOT_ALLOWED,)),
        "alice is sensitive or a protected user, so no ticket of theirs can be delegated"),
    "unlisted SPN": (
        {"accounts": {"pool": Principal(allowed_to_delegate_to=("MSSQLSvc/{sql1}:1433",))}},
        Observation(kdc=(NOT_ALLOWED,)),
        f"{SQL} is not on lab-pool's list in msDS-AllowedToDelegateTo (it must match letter by letter)"),
    "protocol transition without the flag": (
        {"accounts": {"pool": LISTED}}, Observation(kdc=(NOT_FORWARDABLE,)),
        "the evidence ticket is not forwardable: lab-pool needs TRUSTED_TO_AUTH_FOR_DELEGATION for "
        "protocol transition"),
    "back end of another domain": (
        {"accounts": {"pool": LISTED}},
        Observation(kdc=(dataclasses.replace(NOT_ALLOWED, service="krbtgt/PARTNER.TEST"),)),
        "the back end is of PARTNER.TEST: lab-pool's list reaches no other domain, and Samba's KDC follows no RBCD "
        "there"),
    "trust without a common type": (
        {}, Observation(kdc=(dataclasses.replace(UNKNOWN, service="krbtgt/DOUBLEHOP.TEST",
                                                 error="KDC_ERR_ETYPE_NOSUPP"),)),
        "the trust between PARTNER.TEST and DOUBLEHOP.TEST supports no encryption type that the client takes: "
        "let it support AES"),
    "unknown SPN": (
        {}, Observation(kdc=(UNKNOWN,)),
        f"no account (or more than one) holds {HTTP}: register it on the account that opens the ticket"),
    "wrong channel": (
        {}, Observation(front_end=FrontEndSaw(error="SEC_E_BAD_BINDINGS", native="Channel bindings do not match")),
        "the token is not bound to the TLS connection it came on: the client sends no channel binding, or something "
        "between it and the front end ends its TLS (extendedProtection tokenChecking)"),
    "wrong key at a back end": (
        {}, Observation(back_ends={"api": BackEndSaw(error="KRB_AP_ERR_MODIFIED")}),
        "the KDC sealed the ticket for api with another account's key than the one that runs api"),
    "what SqlClient says of it": (
        {}, Observation(back_ends={"sql": BackEndSaw(error="CANNOT_GENERATE_SSPI_CONTEXT")}),
        "the SPN of sql is registered and its ticket is of no use: another account holds the SPN than the one that "
        "runs sql, or the two have no encryption type in common"),
    "no SPN to be asked for": (
        {}, Observation(kdc=(dataclasses.replace(UNKNOWN, client="lab-pool", service="lab-pool"),)),
        "lab-pool holds no SPN, so the KDC gives it no ticket in a user's name (S4U2Self)"),
    "NTLM by a protected user": (
        {}, Observation(front_end=FrontEndSaw(error="STATUS_ACCOUNT_RESTRICTION")),
        "the domain controller refuses NTLM for this user, as it does for members of Protected Users"),
    "wrong key": (
        {}, Observation(front_end=WRONG_KEY),
        "the ticket is for another account's key than the one the front end opens tickets with: compare the "
        "SPN's owner with useKernelMode, useAppPoolCredentials and the pool's identity, and the keytab's encryption "
        "types and age with the account's"),
    "wrong clock": (
        {}, Observation(front_end=FrontEndSaw(error="KRB_AP_ERR_SKEW", native="Clock skew too great")),
        "the clocks of front end and client differ by more than five minutes: synchronise both with the domain"),
}


@pytest.mark.parametrize(("facts", "observation", "cause"), CAUSES.values(), ids=CAUSES)
def test_a_refusal_has_its_own_cause(topology, facts, observation, cause):
    scope = Scope(topology=topology, given=Given(**facts), prefix="s1")
    assert list(causes(observation, scope)) == [cause]


def test_every_cause_is_another():
    told = {cause.partition(" ")[2] for name, (*_, cause) in CAUSES.items() if name not in {
        "a computer without delegation right", "an untouched computer", "protected user"}}
    assert len(told) == len(CAUSES) - 3


def test_what_went_well_has_no_cause(topology):
    scope = Scope(topology=topology, given=Given(), prefix="s1")
    issued = dataclasses.replace(NOT_ALLOWED, error="", reason="")
    assert list(causes(Observation(front_end=FrontEndSaw(scheme="Kerberos"), kdc=(issued,)), scope)) == []


def test_a_difference_is_explained_with_its_evidence(scenario, topology):
    made = scenario('given.accounts.pool = {}\nwhen.get = "http://{web1}/"\nexpect = { status = 200, sees.sql = "x" }')
    prefix = scope_of(made.id, made.given, topology).prefix
    refused = dataclasses.replace(NOT_ALLOWED, client=f"{prefix}-pool", impersonated=f"{prefix}-alice")
    signed_in = KdcLine(kind="AS", client="x", service="krbtgt/X", error="KDC_ERR_PREAUTH_REQUIRED")
    issued = dataclasses.replace(refused, error="", reason="")
    observation = Observation(
        client=ClientSaw(status=200), front_end=FrontEndSaw(native="all well"),
        back_ends={"sql": BackEndSaw(error="KDC_ERR_BADOPTION", native="Unspecified GSS failure")},
        kdc=(signed_in, issued, refused, refused),
    )
    difference = Difference(hop="back end sql", field="identity", expected="x", observed="nothing")
    result = Result(scenario=made, observation=observation, verdict=Verdict(
        kind=VerdictKind.DISAGREED, differences=(difference,)))
    refusal = f"  evidence: KDC: TGS PREFIX-pool -> {SQL}: KDC_ERR_BADOPTION (0xD): Constrained delegation not allowed"
    assert "\n".join(explain(result, topology)).replace(prefix, "PREFIX").splitlines() == [
        "topic::it: disagreed",
        "  back end sql: identity: expected x, observed nothing",
        "  evidence: front end: all well",
        "  evidence: sql: KDC_ERR_BADOPTION (0xD): Unspecified GSS failure",
        f"  evidence: KDC: TGS PREFIX-pool -> {SQL}: issued in the name of PREFIX-alice",
        refusal,
        refusal,
        f"  likely cause: PREFIX-pool has no delegation right: list {SQL} in msDS-AllowedToDelegateTo, or use RBCD",
    ]


@pytest.mark.parametrize("kind", [VerdictKind.BROKEN, VerdictKind.NOT_RUN])
def test_an_end_without_observation_is_explained_by_its_reason(scenario, topology, kind):
    made = scenario(REGISTRATION)
    result = Result(scenario=made, verdict=Verdict(kind=kind, reason="first\nsecond"))
    assert explain(result, topology) == [f"topic::it: {kind}", "  first", "  second"]
