"""Documented behaviours: each is shown by a scenario or left out for a reason."""

import re
import tomllib

import pytest

from doublehop import catalogue, sources
from doublehop.data import FIXTURES
from doublehop.errors import InputError

ROWS = sources.rows()
LEFT_OUT = sources.left_out()
SHOWN_OR_LEFT_OUT = "SABCEG"
"""The groups of rows that must all be accounted for, one by one."""
LATER = {each.id[0] for each in ROWS} - set(SHOWN_OR_LEFT_OUT)
"""The groups whose rows no scenario has to show yet; one reason stands for all of them."""


@pytest.fixture(scope="module")
def scenarios(topology):
    return catalogue.load(topology)


@pytest.fixture(scope="module")
def covered(scenarios):
    return {each.id: each for each in sources.coverage(scenarios)}


def test_there_are_rows_of_every_group():
    assert {each.id[0] for each in ROWS} >= set("SABCDEFGH")
    assert len(ROWS) > 200


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_says_what_who_and_whether_a_lab_can_show_it(row):
    assert re.fullmatch(r"[A-Z]-\d\d", row.id)
    assert row.claim.strip()
    assert row.source.strip()
    assert row.lab.startswith(("yes", "partly", "Windows only", "n/a"))


def test_rows_are_records_of_three_texts():
    raw = tomllib.loads((FIXTURES / "behaviours.toml").read_text())
    assert {tuple(sorted(each)) for each in raw.values()} == {("claim", "lab", "source")}


def test_every_source_of_a_scenario_is_a_row(scenarios):
    known = {each.id for each in ROWS}
    unknown = {each.id: sorted(set(each.sources) - known) for each in scenarios if not known.issuperset(each.sources)}
    assert not unknown


def test_what_is_left_out_is_a_row_with_a_reason():
    assert not LEFT_OUT.keys() - {each.id for each in ROWS} - LATER
    assert not [name for name, reason in LEFT_OUT.items() if len(reason.split()) < 3]


def test_what_is_left_out_is_not_shown_all_the_same(covered):
    assert not {name: each.scenarios for name, each in covered.items() if each.scenarios and each.reason}


@pytest.mark.parametrize("row", [each.id for each in ROWS if each.id[0] in SHOWN_OR_LEFT_OUT])
def test_a_row_is_shown_by_a_scenario_or_left_out_for_a_reason(covered, row):
    assert covered[row].scenarios or covered[row].reason, f"{row}: {covered[row].claim}"


def test_every_row_that_nothing_shows_has_a_reason(covered):
    assert not [each.id for each in covered.values() if not each.scenarios and not each.reason]


def test_coverage_tells_scenarios_or_reason():
    told = {"shown": sources.Covered(id="S-01", claim="c", scenarios=("a::b", "c::d"), reason=""),
            "left out": sources.Covered(id="S-02", claim="c", scenarios=(), reason="needs Windows"),
            "open": sources.Covered(id="S-03", claim="c", scenarios=(), reason="")}
    assert [each.told for each in told.values()] == [
        "a::b, c::d", "left out: needs Windows", "left out: not looked at yet"]


def test_coverage_finds_the_scenarios_of_a_row(scenario):
    made = scenario('when.get = "http://{web1}/"\nexpect.status = 401')
    found = {each.id: each.scenarios for each in sources.coverage([made])}
    assert found["S-02"] == ("topic::it",)
    assert not any(scenarios for row, scenarios in found.items() if row != "S-02")
    assert set(found) == {each.id for each in ROWS}


def test_a_missing_catalogue_is_no_coverage(topology, tmp_path):
    with pytest.raises(InputError):
        sources.coverage(catalogue.load(topology, tmp_path))
