"""Documentation = rules: every scenario is predicted as published, every row of every table is used, and what must
hold of any configuration at all."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublehop import catalogue, departures, front_ends, generated, rules
from doublehop import topology as topologies
from doublehop.errors import InputError
from doublehop.model import Encryption, Principal, Request
from doublehop.rules import HTTP_CLIENT, SAMBA, TABLES, WINDOWS, Rule, Table, sizes
from doublehop.rules.document import page
from doublehop.sanity import reached
from doublehop.scope import scope_of
from doublehop.sources import rows
from tests.unit.strategies import any_question

TOPOLOGY = topologies.load()
SCENARIOS = {each.id: each for each in catalogue.load(TOPOLOGY)}
DEPARTURES = departures.load()
EVERY_RULE = [(table, rule) for table in TABLES for rule in table.rules]
UNCOMPRESSED = Encryption.RESOURCE_SID_COMPRESSION_DISABLED
numbers = st.integers(0, 1 << 32)


@pytest.fixture(scope="module")
def used():
    """How often each row decided in the whole catalogue, on both platforms and for a page that asks with HttpClient."""
    return Counter(one.rule.id for name in SCENARIOS for platforms in ((SAMBA,), (WINDOWS,), (SAMBA, HTTP_CLIENT))
                   for one in rules.predict(SCENARIOS[name], TOPOLOGY, *platforms).decisions)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rules_predict_what_is_published(name):
    scenario = SCENARIOS[name]
    said = dataclasses.asdict(scenario.expect)
    fill = scope_of(name, scenario.given, TOPOLOGY).fill
    said["spn"] = fill(said["spn"]).lower()
    said["offers"] = said["offers"] and tuple(map(fill, said["offers"]))
    predicted = dataclasses.asdict(rules.predict(scenario, TOPOLOGY).expect)
    predicted["spn"] = predicted["spn"].lower()
    assert {key: predicted[key] for key, value in said.items() if value is not None} == {
        key: value for key, value in said.items() if value is not None}


@pytest.mark.parametrize("rule", [rule for _, rule in EVERY_RULE], ids=lambda rule: rule.id)
def test_every_rule_is_used_by_a_scenario(used, rule):
    assert used[rule.id]


def test_ids_of_rules_are_unique_and_begin_with_their_table():
    assert not [name for name, number in Counter(rule.id for _, rule in EVERY_RULE).items() if number > 1]
    assert not [rule.id for table, rule in EVERY_RULE if not rule.id.startswith(f"{table.name}.")]


def test_every_rule_rests_on_known_sources():
    known = {each.id for each in rows()}
    assert not [rule.id for _, rule in EVERY_RULE if not rule.sources or not known.issuperset(rule.sources)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_names_its_facts_and_ends_with_a_row_that_always_fits(table):
    assert not [rule.id for rule in table.rules if rule.when.keys() - table.facts.keys()]
    assert not table.rules[-1].when
    assert not table.rules[-1].platform


def test_a_decision_tells_its_own_facts_and_those_that_kept_other_rows_out():
    table = Table(name="t", question="?", facts={"a": "", "b": "", "c": ""}, rules=(
        Rule(id="t.a", when={"a": True}, then="A", why="", sources=()),
        Rule(id="t.w", when={}, then="W", why="", sources=(), platform=WINDOWS),
        Rule(id="t.b", when={"b": "x"}, then="B", why="", sources=()),
        Rule(id="t.else", then="C", why="", sources=()),
    ))
    decision = table.decide({SAMBA}, a=False, b="x", c=True)
    assert (decision.then, decision.facts) == ("B", {"a": False, "b": "x"})
    assert decision.told == "t.b: B (a=no, b=x)"
    assert table.decide({SAMBA}, a=False, b="", c=True).rule.id == "t.else"
    assert table.decide({WINDOWS}, a=False, b="x", c=True).rule.id == "t.w"


# ---- what must hold of any configuration ----


def predicted(scenario, platform=SAMBA):
    return rules.predict(scenario, TOPOLOGY, platform).expect


@settings(max_examples=80)
@given(any_question(TOPOLOGY))
def test_prediction_is_total_over_what_the_schema_admits(scenario):
    for platform in rules.PLATFORMS:
        expect = predicted(scenario, platform)
        if isinstance(scenario.when, Request):
            assert expect.unasked or expect.status in {200, 400, 401, 404}
            told = [*expect.sees, *expect.fails]
            reached_links = sorted(reached(scenario.when.back_ends, expect.fails))
            assert sorted(told) == (reached_links if expect.status == 200 else [])
        else:
            assert expect.directory


RIGHTS = {"trusted_for_delegation": False, "trusted_to_auth_for_delegation": False, "allowed_to_delegate_to": (),
          "principals_allowed_to_delegate_to_account": ()}


def without_a_right(scenario, chance):
    """The same scenario with one right of one account taken away, or None when nobody has any."""
    tables = {kind: dict(getattr(scenario.given, kind)) for kind in ("users", "accounts", "computers")}
    held = [(kind, label, right) for kind, table in tables.items() for label, facts in table.items()
            for right, nothing in RIGHTS.items() if getattr(facts, right) != nothing]
    if not held:
        return None
    kind, label, right = chance.choice(held)
    value = getattr(tables[kind][label], right)
    less = value[1:] if isinstance(value, tuple) else False
    tables[kind][label] = dataclasses.replace(tables[kind][label], **{right: less})
    return dataclasses.replace(scenario, given=dataclasses.replace(scenario.given, **tables))


def delegated(scenario, platform=SAMBA):
    """Back ends that see somebody who is not the pool: the caller, or the user that the page takes on."""
    names = {scenario.when.user, scenario.when.act_as} if isinstance(scenario.when, Request) else set()
    return {back_end for back_end, who in predicted(scenario, platform).sees.items() if who in names}


@settings(max_examples=150)
@given(numbers)
def test_taking_a_right_away_never_turns_a_refusal_into_a_delegation(number):
    scenario = generated.drawn(7, number, TOPOLOGY)
    less = without_a_right(scenario, random.Random(number))
    if less is not None:
        assert delegated(less) <= delegated(scenario)


def test_on_windows_emptying_a_list_can_turn_a_refusal_into_a_delegation():
    """Row C-17's odd corner: an empty list makes the S4U2Self ticket forwardable, and RBCD does the rest."""
    scenario = SCENARIOS["protocol-transition::rbcd-not-trusted-to-authenticate"]
    pool = dataclasses.replace(scenario.given.accounts["pool"], allowed_to_delegate_to=("cifs/{sql1}",))
    listed = dataclasses.replace(scenario, given=dataclasses.replace(
        scenario.given, accounts={**scenario.given.accounts, "pool": pool}))
    assert not delegated(listed, WINDOWS)
    assert delegated(scenario, WINDOWS)


def shuffled(tree, chance):
    """The same facts in another order; sites keep theirs, since the first of two alike bindings wins."""
    def mixed(table):
        return dict(chance.sample(list(table.items()), len(table)))

    def principal(facts):
        return dataclasses.replace(facts, **{
            each: tuple(chance.sample(list(getattr(facts, each)), len(getattr(facts, each))))
            for each in ("spns", "without_spns", "allowed_to_delegate_to", "supported_encryption_types",
                         "keytab_encryption_types", "principals_allowed_to_delegate_to_account")})

    accounts = {kind: mixed({label: principal(facts) for label, facts in getattr(tree, kind).items()})
                for kind in ("users", "accounts", "computers")}
    kinds = ("names", "front_ends", "duplicate_spns", "client_hosts", "proxies", "back_ends", "clocks", "after_sign_in")
    others = {kind: mixed(getattr(tree, kind)) for kind in kinds}
    return dataclasses.replace(tree, **accounts, **others)


@settings(max_examples=100)
@given(numbers)
def test_the_order_of_facts_does_not_matter(number):
    scenario = generated.drawn(8, number, TOPOLOGY)
    other = dataclasses.replace(scenario, given=shuffled(scenario.given, random.Random(number)))
    assert rules.predict(other, TOPOLOGY) == rules.predict(scenario, TOPOLOGY)


@settings(max_examples=60)
@given(numbers)
def test_facts_about_somebody_else_do_not_matter(number):
    """An account that holds no SPN, runs no pool and is named nowhere changes nothing, whatever its rights are."""
    scenario = generated.drawn(9, number, TOPOLOGY)
    stranger = dataclasses.replace(SCENARIOS["constrained::listed"].given.accounts["pool"], spns=(),
                                   trusted_for_delegation=True, trusted_to_auth_for_delegation=True)
    accounts = {**scenario.given.accounts, "stranger": stranger}
    other = dataclasses.replace(scenario, given=dataclasses.replace(scenario.given, accounts=accounts))
    assert predicted(other) == predicted(scenario)


@pytest.mark.parametrize(("user", "service", "forwarded", "size"), [
    (Principal(), Principal(), False, 1200),
    (Principal(groups=10), Principal(), False, 1280),
    (Principal(domain_local_groups=10), Principal(), False, 1280),
    (Principal(domain_local_groups=10), Principal(supported_encryption_types=(UNCOMPRESSED,)), False, 1600),
    (Principal(groups=10), Principal(supported_encryption_types=(UNCOMPRESSED,)), True, 2560),
])
def test_a_token_is_as_long_as_the_published_estimate(user, service, forwarded, size):
    """1200 + 40 d + 8 s, about twice with a forwarded TGT, and MaxFieldLength of 4/3 of that and 200 (row B-27)."""
    assert sizes.estimate(user, service, forwarded=forwarded) == size * 4 // 3 + 200


# ---- departures ----


def test_there_is_a_departure():
    assert DEPARTURES


@pytest.mark.parametrize("departure", DEPARTURES, ids=lambda each: each.id)
def test_a_departure_is_a_difference_between_the_platforms(departure):
    for name in departure.scenarios:
        decided = {one.rule.id for platform in rules.PLATFORMS
                   for one in rules.predict(SCENARIOS[name], TOPOLOGY, platform).decisions}
        assert departure.rule in decided, f"{name} comes to {departure.rule} on no platform"
        assert predicted(SCENARIOS[name], WINDOWS) != predicted(SCENARIOS[name], SAMBA)


def test_every_rule_of_one_platform_is_a_departure():
    named = {name for each in DEPARTURES for name in (each.rule, *each.follows)}
    named |= {each.rule for kind in front_ends.load().values() for each in kind.departures.values() if each.rule}
    assert {rule.id for _, rule in EVERY_RULE if rule.platform} <= named <= {rule.id for _, rule in EVERY_RULE}


def test_every_scenario_that_ends_otherwise_on_windows_is_named_by_a_departure():
    """A departure cannot hide: whatever a Windows row changes is told with its reason."""
    named = {each.rule for each in DEPARTURES}
    for name, scenario in SCENARIOS.items():
        windows = rules.predict(scenario, TOPOLOGY, WINDOWS)
        if windows.expect != predicted(scenario):
            decisions = (*windows.decisions, *rules.predict(scenario, TOPOLOGY).decisions)
            assert named & {one.rule.id for one in decisions}, name


def test_the_page_of_the_decision_table_is_up_to_date():
    path = departures.PATH.parent.parent / "docs" / "decision-table.md"
    assert path.read_text() == page(), "run python -m doublehop.rules.document > docs/decision-table.md"


def test_a_departures_file_that_cannot_be_used_says_which_key(tmp_path):
    path = tmp_path / "departures.toml"
    path.write_text('[one]\nplatform = "samba"\n')
    with pytest.raises(InputError, match="row"):
        departures.load(path)
    with pytest.raises(InputError):
        departures.load(tmp_path / "none.toml")
