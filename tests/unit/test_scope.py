"""The names a scenario owns, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.model import Domain, Given, Principal, Proxy, Request
from doublehop.scope import Scope, scope_of, web_servers

GIVEN = Given(
    names={"portal": "A web1", "alias": "CNAME portal"}, users={"alice": Principal()},
    accounts={"pool": Principal(spns=("HTTP/{portal}",)), "own": Principal(aes_keys=False)},
)
ids = st.text(min_size=1)


@pytest.fixture(scope="session")
def scope(topology):
    return Scope(topology=topology, given=GIVEN, prefix="s1")


FILLED = {
    "HTTP/{portal}": "HTTP/portal.s1.doublehop.test",
    "MSSQLSvc/{sql1}:1433": "MSSQLSvc/sql1.doublehop.test:1433",
    "HTTP/{web1.netbios}": "HTTP/WEB1",
    "{pool.account} and {alice.account}": "lab-pool and lab-alice",
    "{web1.account}": "WEB1$",
    "http://{web1.address}:{portal}": "http://10.93.0.21:portal.s1.doublehop.test",
    "no placeholder": "no placeholder",
    "": "",
}


@pytest.mark.parametrize(("text", "filled"), FILLED.items(), ids=FILLED)
def test_placeholders_are_filled(scope, text, filled):
    assert scope.fill(text) == filled


UNKNOWN = ["{nowhere}", "{}", "{nowhere.netbios}", "{portal.netbios}", "{nowhere.account}", "{portal.account}",
           "{portal.address}", "{web1.colour}"]


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_placeholder_nobody_knows_is_an_error_that_names_it(scope, text):
    with pytest.raises(KeyError) as failure:
        scope.fill(text)
    assert text.strip("{}").partition(".")[0] in str(failure.value)


ACCOUNTS = {"alice": "lab-alice", "pool": "lab-pool", "web1": "WEB1$", "web1$": "WEB1$", "sql1": "SQL1$"}


@pytest.mark.parametrize(("label", "account"), ACCOUNTS.items(), ids=ACCOUNTS)
def test_a_label_leads_to_its_account(scope, label, account):
    assert scope.account(label) == account
    assert scope.principal(label) == f"{account}@DOUBLEHOP.TEST"


@pytest.mark.parametrize("label", ["nobody", "portal", ""])
def test_a_label_without_account_is_an_error(scope, label):
    with pytest.raises(KeyError) as failure:
        scope.account(label)
    assert failure.value.args == (label,)


def test_users_and_computers_are_in_their_containers(scope):
    assert scope.dn("alice") == "CN=lab-alice,CN=Users,DC=DOUBLEHOP,DC=TEST"
    assert scope.dn("web1") == "CN=WEB1,CN=Computers,DC=DOUBLEHOP,DC=TEST"


REPORTED = {
    "lab-alice@DOUBLEHOP.TEST": "alice",
    "DOUBLEHOP\\lab-alice": "alice",
    "Lab-alice": "alice",
    "lab-pool": "pool",
    "s1-alice": "s1-alice",
    "lab-carol": "lab-carol",
    "WEB1$@DOUBLEHOP.TEST": "web1$",
    "DOUBLEHOP\\WEB1$": "web1$",
    "s2-alice@DOUBLEHOP.TEST": "s2-alice",
    "IUSR": "IUSR",
    "Administrator@DOUBLEHOP.TEST": "Administrator",
    "": "",
}


@pytest.mark.parametrize(("identity", "label"), REPORTED.items(), ids=REPORTED)
def test_what_a_hop_reports_leads_back_to_a_label(scope, identity, label):
    assert scope.label(identity) == label


BEYOND = Given(users={"alice": Principal(domain=Domain.PARTNER), "bob": Principal()})


def test_a_user_of_the_partner_is_of_its_realm_and_directory(topology):
    scope = Scope(topology=topology, given=BEYOND, prefix="s1")
    assert scope.principal("alice") == "s1-alice@PARTNER.TEST"
    assert scope.dn("alice") == "CN=s1-alice,CN=Users,DC=PARTNER,DC=TEST"
    assert (scope.login("alice"), scope.login("bob")) == ("s1-alice@PARTNER.TEST", "lab-bob")


@pytest.mark.parametrize(("identity", "label"), {
    "s1-alice@PARTNER.TEST": "alice", "s1-alice": "alice", "lab-bob@DOUBLEHOP.TEST": "bob",
    "s1-alice@DOUBLEHOP.TEST": "s1-alice@DOUBLEHOP.TEST", "lab-bob@PARTNER.TEST": "lab-bob@PARTNER.TEST",
}.items())
def test_an_account_of_the_same_name_in_the_other_domain_is_somebody_else(topology, identity, label):
    assert Scope(topology=topology, given=BEYOND, prefix="s1").label(identity) == label


def test_machines_of_the_partner_have_names(topology):
    assert Scope(topology=topology, given=BEYOND, prefix="s1").fill("MSSQLSvc/{sql2}") == "MSSQLSvc/sql2.partner.test"


@given(st.sampled_from([*GIVEN.users, *GIVEN.accounts, "web1$", "sql1$"]), ids)
def test_label_and_account_are_a_round_trip(topology, label, scenario_id):
    scope = scope_of(scenario_id, GIVEN, topology)
    assert scope.label(scope.account(label)) == label
    assert scope.label(scope.principal(label)) == label
    assert scope.label(f"{topology.domain}\\{scope.account(label)}") == label


@given(ids, ids)
def test_two_scenarios_never_share_a_name(topology, one, other):
    first, second = (scope_of(each, GIVEN, topology) for each in (one, other))
    shared = {first.host("portal"), first.account("own")} & {second.host("portal"), second.account("own")}
    assert bool(shared) == (one == other)
    assert first.account("pool") == second.account("pool"), "what is said of pool can be taken back"


def test_the_prefix_is_the_same_in_every_run_and_on_every_python(topology):
    assert scope_of("delegation::constrained", GIVEN, topology).prefix == "s71b02c"


def test_the_prefix_leaves_an_account_name_twelve_letters(topology):
    assert len(scope_of("x", GIVEN, topology).account("own")) == len("own") + 8


NAMED = {
    "by what it is configured with": (Given(), "http://{web1}/", ["web1"]),
    "by the URL alone": (Given(), "http://{web2}/", ["web1", "web2"]),
    "by its address in the URL": (Given(front_ends={}), "http://{web2.address}/", ["web2"]),
    "by an alias": (Given(front_ends={}, names={"portal": "A web2"}), "http://{portal}/", ["web2"]),
    "by a proxy": (Given(front_ends={}, proxies={"web1": Proxy(to="http://web2")}), "http://{web1}:8080/",
                   ["web1", "web2"]),
    "not at all": (Given(front_ends={}), "http://{sql1}/", []),
}


@pytest.mark.parametrize(("configured", "url", "named"), NAMED.values(), ids=NAMED)
def test_a_web_server_has_a_part_in_a_scenario_that_names_it(topology, configured, url, named):
    assert web_servers(configured, Request(get=url), topology) == named


def test_a_web_server_has_a_part_in_a_scenario_that_asks_for_its_address(topology):
    literal = f"http://{topology.machines['web2'].address}/"
    assert web_servers(Given(front_ends={}), Request(get=literal), topology) == ["web2"]
