"""Reading scenarios: what they say and need, inheritance and selection."""

import pytest

from doublehop import catalogue
from doublehop.errors import InputError
from doublehop.model import Need, Registration, Request, Zone
from tests.unit.texts import EXPECT_401, PAGE, REGISTRATION, entry

BASE = """
[base]
title = "Base"
why = "because"
sources = ["C-02"]
expect = { spn = "HTTP/{portal}", status = 200, scheme = "Kerberos", user = "alice", sees.sql = "alice" }
given.names.portal = "A web1"
given.accounts.pool = { spns = ["HTTP/{portal}"], trusted_for_delegation = true }
given.front_ends.web1.applicationPools.Portal = { identityType = "SpecificUser", userName = "pool" }
given.front_ends.web1.sites.Portal.applications."/" = { applicationPool = "Portal", impersonate = true }
when.get = "http://{portal}/whoami"
"""


def test_a_table_is_a_scenario(load):
    (scenario,) = load(topic=BASE).values()
    assert (scenario.id, scenario.title, scenario.why) == ("topic::base", "Base", "because")
    assert scenario.sources == ("C-02",)
    assert scenario.given.names == {"portal": "A web1"}
    assert scenario.given.accounts["pool"].trusted_for_delegation
    assert scenario.given.front_ends["web1"].applicationPools["Portal"].userName == "pool"
    assert scenario.when == Request(get="http://{portal}/whoami")
    assert scenario.expect.sees == {"sql": "alice"}
    assert (scenario.flips, scenario.changed, scenario.needs) == ("", (), ())
    assert scenario.path.endswith("/topic.toml")
    assert scenario.works


def test_when_is_a_request_or_a_registration(scenario):
    assert scenario(PAGE).when == Request(get="http://{web1}/")
    registration = scenario(REGISTRATION)
    assert registration.when == Registration(register="HTTP/{web1}", on="web1", by="administrator")
    assert not registration.works


def test_a_scenario_starts_from_another_with_one_leaf_changed(load):
    found = load(topic=BASE + entry("flip", """
from = "base"
change.given.accounts.pool.trusted_for_delegation = false
expect = { spn = "HTTP/{portal}", status = 200, fails.sql = "NO_CREDENTIALS" }"""))
    base, flip = found["topic::base"], found["topic::flip"]
    assert (flip.flips, flip.changed) == ("topic::base", ("given.accounts.pool.trusted_for_delegation",))
    assert not flip.given.accounts["pool"].trusted_for_delegation
    assert flip.given.accounts["pool"].spns == base.given.accounts["pool"].spns
    assert (flip.given.names, flip.given.front_ends, flip.when) == (base.given.names, base.given.front_ends, base.when)
    assert not flip.works


def test_what_is_expected_is_never_inherited(load):
    with pytest.raises(InputError, match=r"topic\.toml: flip\.expect: Field required"):
        load(topic=BASE + '[flip]\nfrom = "base"\ntitle = "t"\nwhy = "w"\nsources = []')


def test_a_scenario_starts_from_one_in_another_file_or_known_already(load):
    flip = entry("flip", f'from = "one::base"\nchange.when.client.zone = "internet"\n{EXPECT_401}')
    together = load(one=BASE, two=flip)["two::flip"]
    known = load(one=BASE).values()
    assert load(known, two=flip)["two::flip"] == together
    assert together.when == Request(get="http://{portal}/whoami", client=together.when.client)
    assert together.when.client.zone is Zone.INTERNET


def test_inheritance_goes_over_several_steps(load):
    second = entry("second", f'from = "base"\nchange.given.accounts.pool.spns = []\n{EXPECT_401}')
    third = entry("third", f'from = "second"\nchange.when.times = 2\n{EXPECT_401}')
    found = load(topic=third + second + BASE)
    assert list(found) == ["topic::third", "topic::second", "topic::base"]
    assert found["topic::third"].given == found["topic::second"].given != found["topic::base"].given
    assert found["topic::third"].flips == "topic::second"


def test_a_file_of_ones_own_wins_over_the_catalogue(load, tmp_path):
    known = load(topic=BASE).values()
    mine = load(known, topic=BASE.replace("trusted_for_delegation = true", "trusted_for_delegation = false"))
    assert not mine["topic::base"].given.accounts["pool"].trusted_for_delegation


NEEDS = {
    "nothing": ("", []),
    "rbcd": ('given.computers.sql1.principals_allowed_to_delegate_to_account = ["web1"]', [Need.RBCD]),
    "two front ends": ("given.front_ends.web2 = {}", [Need.TWO_FRONT_ENDS]),
    "planted SPN": ('given.duplicate_spns.alice = "HTTP/{web1}"', [Need.OFFLINE_DIRECTORY]),
    "hosts file": ('given.client_hosts."{web1}" = "web1"', [Need.CLIENT_NETWORK]),
    "no KDC": ('given.dc_unreachable_from = ["client1"]\ngiven.client_hosts."{web1}" = "web1"', [Need.CLIENT_NETWORK]),
    "no KDC for servers": ('given.dc_unreachable_from = ["web1", "sql1"]', [Need.NETWORK]),
    "no KDC for anybody": ('given.dc_unreachable_from = ["client1", "web1"]\ngiven.client_hosts."{web1}" = "web1"',
                           [Need.CLIENT_NETWORK, Need.NETWORK]),
    "Credential Guard": ('given.credential_guard_on = ["client1"]', [Need.WINDOWS]),
    "wrong clock": ('given.clocks.web1 = "+10m"', [Need.CLOCKS]),
    "no AES keys": ("given.accounts.pool.aes_keys = false", [Need.OFFLINE_DIRECTORY]),
    "gMSA": ('given.accounts.pool.principals_allowed_to_retrieve_managed_password = ["web1"]', [Need.GMSA]),
    "said and implied": ('needs = ["kerberos", "rbcd"]\ngiven.users.alice.principals_allowed_to_delegate_to_account = '
                         '["web1"]', [Need.KERBEROS, Need.RBCD]),
}


@pytest.mark.parametrize(("text", "needs"), NEEDS.values(), ids=NEEDS)
def test_what_a_scenario_needs_follows_from_what_it_gives(scenario, text, needs):
    assert list(scenario(f"{text}\n{PAGE}").needs) == needs


@pytest.mark.parametrize(("patterns", "chosen"), {
    (): ["a::one", "a::two", "b::one"],
    ("a::*",): ["a::one", "a::two"],
    ("*::one", "a::one"): ["a::one", "b::one"],
    ("b::one", "a::two"): ["a::two", "b::one"],
    ("a::t[vw]o",): ["a::two"],
}.items(), ids=lambda each: " ".join(each) if isinstance(each, tuple) else None)
def test_ids_and_globs_select_in_the_catalogues_order(load, patterns, chosen):
    scenarios = load(a=entry("one", PAGE) + entry("two", PAGE), b=entry("one", PAGE)).values()
    assert [each.id for each in catalogue.select(scenarios, patterns)] == chosen


def test_a_pattern_that_selects_nothing_is_an_error(load):
    scenarios = load(a=entry("one", PAGE)).values()
    with pytest.raises(InputError, match=r"a::tow: no scenario has this id .*doublehop list"):
        catalogue.select(scenarios, ["a::one", "a::tow"])


def test_an_expected_ntlm_logon_needs_a_lab_that_has_ntlm(load):
    page = 'when.get = "http://{web1}/"\n'
    expect = 'expect = { status = 200, scheme = "NTLM", fails.sql = "KDC_ERR_BADOPTION" }'
    (scenario,) = load(a=entry("one", page + expect)).values()
    assert Need.NTLM in scenario.needs
