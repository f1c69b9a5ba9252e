"""Drawn scenarios: the same for the same number, admitted only when a lab could be given them, and cut smaller."""

import dataclasses
import tomllib
from collections import Counter

import pytest

from doublehop import catalogue, generated, rules
from doublehop.explore import Plan, Tally, explore, shrunk
from doublehop.model import (
    Need,
    Observation,
    Program,
    Request,
    RestrictNtlm,
    Result,
    Scheme,
    Verdict,
    VerdictKind,
)
from doublehop.scope import scope_of

MANY = range(250)


@pytest.fixture(scope="module")
def many(topology):
    return [generated.drawn(1, number, topology) for number in MANY]


def test_the_same_number_is_the_same_scenario(many, topology):
    assert generated.drawn(1, 17, topology) == many[17]


def test_another_seed_draws_other_scenarios(many, topology):
    assert generated.drawn(2, 17, topology).raw != many[17].raw


def test_scenarios_differ(many):
    assert len({repr((each.given, each.when)) for each in many}) > 0.9 * len(many)


def test_enough_of_them_reach_a_page_by_kerberos_and_some_the_database(many):
    assert sum(each.expect.scheme == Scheme.KERBEROS for each in many) > 0.3 * len(many)
    assert sum(bool(each.expect.sees) for each in many) > 0.15 * len(many)
    assert any(each.expect.directory for each in many)


def test_most_rules_are_met_by_what_is_drawn(topology):
    used = Counter(one.rule.id for number in range(2400)
                   for one in rules.predict(generated.drawn(3, number, topology), topology).decisions)
    lab = [rule.id for table in rules.TABLES for rule in table.rules if rule.platform in {"", rules.SAMBA}]
    windows_only = {"ticket.no-host", "ticket.host-of-another", "register.already-there-in-other-case"}
    missing = set(lab) - set(used) - windows_only
    assert len(missing) <= 0.1 * len(lab), missing


def test_every_program_asks_now_and_then_and_some_domains_take_no_ntlm(topology):
    drawn = [generated.drawn(3, number, topology) for number in range(600)]
    asked = [each.when for each in drawn if isinstance(each.when, Request)]
    assert {each.client.program for each in asked} == {*Program}
    assert any(each.client.http2 for each in asked)
    assert Counter(each.given.restrict_ntlm_in_this_domain for each in drawn).keys() == {*RestrictNtlm}


def test_a_protected_user_is_refused_before_a_domain_that_takes_no_ntlm_refuses_everybody(topology):
    """As Samba does, seen by explore (seed 3006)."""
    given = {"users": {"alice": {"protected_user": True}}, "restrict_ntlm_in_this_domain": "Deny all"}
    found = generated.admitted("a::b", {"given": given, "when": {"get": "http://{web1.address}/whoami"}}, topology)
    assert found and found.expect.error == "STATUS_ACCOUNT_RESTRICTION"


def test_some_come_in_by_ntlm_and_say_what_that_needs(many):
    found = [each for each in many if each.expect.scheme == Scheme.NTLM]
    assert found
    assert all(Need.NTLM in each.needs for each in found)


@pytest.mark.parametrize("given", [
    {"accounts": {"pool": {"spns": ["HTTP/x"]}, "other": {"spns": ["http/x"]}}},
    {"accounts": {"pool": {"spns": ["HTTP/x", "http/X"]}}},
    {"computers": {"web2": {"spns": ["HTTP/x"]}, "web1": {"spns": ["HOST/x"]}}},
    {"computers": {"web1": {"without_spns": ["HOST/{web2}"]}}},
    {"computers": {"web1": {"spns": ["HOST/{web1}"]}}},
    {"accounts": {"pool": {"spns": ["HTTP/x"]}}, "duplicate_spns": {"pool": "HTTP/x"}},
])
def test_what_the_directory_would_refuse_is_not_admitted(given, topology):
    assert generated.admitted("a::b", {"given": given, "when": {"get": "http://{web1}/"}}, topology) is None


def test_host_before_a_special_class_is_admitted(topology):
    given = {"computers": {"web1": {"spns": ["HOST/x"]}}, "accounts": {"pool": {"spns": ["HTTP/x"]}}}
    assert generated.admitted("a::b", {"given": given, "when": {"get": "http://{web1}/"}}, topology)


def test_cuts_take_one_thing_away_each():
    tree = {"given": {"names": {"a": "A web1"}, "accounts": {"pool": {"spns": ["x", "y"]}}}, "when": {"get": "u"}}
    cuts = list(generated.smaller(tree))
    assert {"given": {"accounts": {"pool": {"spns": ["x", "y"]}}}, "when": {"get": "u"}} in cuts
    assert {"given": {"names": {"a": "A web1"}, "accounts": {"pool": {"spns": ["y"]}}}, "when": {"get": "u"}} in cuts
    assert all(each["when"] == {"get": "u"} for each in cuts)
    assert len(cuts) == 7


def test_a_file_reads_back_as_the_same_scenario(many, topology, tmp_path):
    for number, drawn in enumerate(many[:60]):
        path = tmp_path / f"found-{number}.toml"
        path.write_text(generated.as_file(drawn, ["seen\nand more"[:4]], topology))
        (read,) = catalogue.load_files([path], topology)
        assert (read.given, read.when) == (drawn.given, drawn.when)
        predicted = rules.predict(read, topology).expect
        fill = scope_of(read.id, read.given, topology).fill
        offers = read.expect.offers and tuple(map(fill, read.expect.offers))
        assert dataclasses.replace(read.expect, spn=fill(read.expect.spn), offers=offers) == predicted
        assert tomllib.loads(path.read_text())


class Pretended:
    """A laboratory in which everything that impersonates disagrees."""

    def __init__(self):
        self.asked = 0

    def run(self, scenario):
        self.asked += 1
        wrong = '"impersonate": true' in str(scenario.raw).replace("'", '"').replace("True", "true")
        kind = VerdictKind.DISAGREED if wrong else VerdictKind.AGREED
        return Result(scenario=scenario, verdict=Verdict(kind=kind), observation=Observation())


def test_a_difference_is_shrunk_to_what_makes_it(many, topology):
    laboratory = Pretended()
    differing = next(result for each in many if (result := laboratory.run(each)).verdict.kind is VerdictKind.DISAGREED)
    smallest = shrunk(differing, topology, laboratory)
    leaves = list(generated.as_toml(smallest.scenario.raw["given"]))
    assert len(leaves) < len(list(generated.as_toml(differing.scenario.raw["given"])))
    assert sum("impersonate = true" in each for each in leaves) == 1
    again = [tree for tree in generated.smaller(dict(smallest.scenario.raw))
             if (cut := generated.admitted("a::b", tree, topology)) and laboratory.run(cut).verdict.kind
             is VerdictKind.DISAGREED]
    assert not again


class Lacking:
    """A laboratory without .NET."""

    def run(self, scenario):
        lacks = Need.DOTNET in scenario.needs
        verdict = Verdict(kind=VerdictKind.NOT_RUN, reason="dotnet missing") if lacks else Verdict(
            kind=VerdictKind.AGREED)
        return Result(scenario=scenario, verdict=verdict, observation=Observation())


def test_what_was_not_run_says_what_is_missing(topology):
    plan, tally = Plan(provider="", seed=1, count=20, first=0, step=1), Tally()
    for found in explore(plan, topology, Lacking()):
        tally.add(found)
    assert tally.counts == {VerdictKind.AGREED: 18, VerdictKind.NOT_RUN: 2}
    assert tally.lacking == {"dotnet missing": 2}


def test_workers_share_the_numbers_between_them(topology):
    seen = [found.number for first in range(3)
            for found in explore(Plan(provider="", seed=1, count=10, first=first, step=3), topology, Pretended())]
    assert sorted(seen) == list(range(10))


def test_an_expected_address_is_that_of_whatever_lab_it_runs_in(topology):
    found = generated.admitted("topic::it", {"given": {}, "when": {"get": "http://{web1.address}/whoami"}}, topology)
    assert found is not None
    assert found.expect.spn == "HTTP/{web1.address}"
