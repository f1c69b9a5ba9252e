"""The shipped catalogue: whole, unambiguous, and each thing that works has one fact that breaks it."""

import dataclasses
import re
from collections import Counter

import pytest

from doublehop import catalogue, data
from doublehop.model import Need
from doublehop.scope import scope_of

AT_LEAST = 60


@pytest.fixture(scope="module")
def scenarios(topology):
    return {each.id: each for each in catalogue.load(topology)}


@pytest.fixture(scope="module")
def flips(scenarios):
    """Each id with the scenarios that flip it."""
    return {name: [each for each in scenarios.values() if each.flips == name] for name in scenarios}


def _repeated(values):
    return {value: number for value, number in Counter(values).items() if number > 1}


def test_the_catalogue_is_not_nearly_empty(scenarios):
    assert len(scenarios) >= AT_LEAST


def test_every_file_of_the_catalogue_is_read(scenarios):
    files = {each.stem for each in data.SCENARIOS.rglob("*") if each.is_file()}
    assert files == {name.partition("::")[0] for name in scenarios}


def test_ids_are_topic_and_name(scenarios):
    assert not [name for name in scenarios if not re.fullmatch(r"[a-z0-9-]+::[a-z0-9-]+", name)]


def test_no_two_scenarios_have_one_title(scenarios):
    assert not _repeated(each.title.casefold() for each in scenarios.values())


def test_no_two_scenarios_have_one_prefix(scenarios, topology):
    assert not _repeated(scope_of(name, each.given, topology).prefix for name, each in scenarios.items())


def test_one_configuration_is_never_expected_to_end_in_two_ways(scenarios):
    """Topics may share a configuration; what one leaves open (None) another may say."""
    told: dict[str, dict[str, object]] = {}
    for name, each in scenarios.items():
        known = told.setdefault(repr((each.given, each.when)), {})
        said = {key: value for key, value in dataclasses.asdict(each.expect).items() if value is not None}
        assert {key: known[key] for key in said.keys() & known} == {key: said[key] for key in said.keys() & known}, name
        known |= said


def test_every_scenario_rests_on_a_source(scenarios):
    assert not [name for name, each in scenarios.items() if not each.sources]


def test_no_scenario_names_a_source_twice(scenarios):
    assert not [name for name, each in scenarios.items() if _repeated(each.sources)]


def test_every_scenario_says_why(scenarios):
    assert not [name for name, each in scenarios.items() if len(each.why.split()) < 4]


def test_every_flip_flips_a_scenario(scenarios):
    assert not [name for name, each in scenarios.items() if each.flips and each.flips not in scenarios]


def test_every_change_changes_something(scenarios):
    assert not [name for name, each in scenarios.items()
                if each.flips and (each.given, each.when) == (scenarios[each.flips].given, scenarios[each.flips].when)]


def test_something_works(scenarios):
    assert any(each.works for each in scenarios.values())


def test_what_works_has_one_fact_that_breaks_it(scenarios, flips):
    """A scenario that cannot fail shows nothing: with one leaf changed the database must not see the user."""
    unflipped = [name for name, each in scenarios.items() if each.works
                 and not any(len(one.changed) == 1 and not one.works for one in flips[name])]
    assert not unflipped


def test_every_need_but_the_common_one_is_needed_by_some_scenario(scenarios):
    assert {need for each in scenarios.values() for need in each.needs} >= set(Need) - {Need.KERBEROS}
