"""What a lab does when a part of it fails: the scenario is broken, never disagreed, and the lab is rebuilt once."""

import pytest

from doublehop import catalogue, providers, topology
from doublehop.model import VerdictKind
from doublehop.session import Session


@pytest.fixture
def session():
    """A session of this test's own, since it is going to be hurt."""
    with Session(providers.make("local"), topology.load(), lambda text: None) as own:
        yield own


@pytest.fixture(scope="module")
def scenario():
    return catalogue.select(catalogue.load(topology.load()), ["constrained::listed"])[0]


@pytest.mark.parametrize("machine", ["dc1", "web1", "sql1", "client1"])
def test_a_dead_agent_breaks_the_scenario_and_the_next_one_runs_in_a_new_lab(session, scenario, machine):
    assert session.run(scenario).verdict.kind is VerdictKind.AGREED
    first = session.lab()
    first.machines[machine].run("pkill", "-KILL", "-f", "doublehop.machine")
    broken = session.run(scenario).verdict
    assert broken.kind is VerdictKind.BROKEN
    assert f"{machine} died; its last log lines:" in broken.reason
    assert session.run(scenario).verdict.kind is VerdictKind.AGREED
    assert session.lab() is not first


def test_a_lab_that_breaks_twice_is_not_run_again(session, scenario):
    for _ in range(2):
        session.lab().machines["client1"].run("pkill", "-KILL", "-f", "doublehop.machine")
        assert session.run(scenario).verdict.kind is VerdictKind.BROKEN
    verdict = session.run(scenario).verdict
    assert verdict.kind is VerdictKind.NOT_RUN
    assert "broke 2 times" in verdict.reason


def test_a_database_that_died_is_a_broken_lab_and_not_a_disagreement(session, scenario):
    session.lab().machines["sql1"].run("pkill", "-KILL", "postgres")
    assert session.run(scenario).verdict.kind is VerdictKind.BROKEN


def test_a_domain_controller_that_died_is_a_broken_lab(session, scenario):
    session.lab().machines["dc1"].run("pkill", "-KILL", "samba")
    broken = session.run(scenario).verdict
    assert broken.kind is VerdictKind.BROKEN
    assert "dc1: check failed: RuntimeError: samba ended:\n" in broken.reason, "and not what the client made of it"
    assert len(broken.reason.splitlines()) > 5, "the last lines of its log"
