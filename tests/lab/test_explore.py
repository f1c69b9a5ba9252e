"""Scenarios nobody wrote, in a real lab; and departures, which have to be true."""

import pytest

from doublehop import catalogue, departures
from doublehop.model import VerdictKind


def test_a_few_drawn_configurations_end_as_the_rules_say(doublehop, tmp_path):
    """This seed draws curl and a domain that takes no NTLM, and nothing that needs .NET."""
    done = doublehop("explore", "--seed", "99", "--count", "30", "--workers", "1", "--out", str(tmp_path), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 agreed, 0 disagreed, 0 broken, 0 not run" in done.stdout
    assert not list(tmp_path.iterdir())


def test_explore_refuses_a_folder_that_is_not_there(doublehop):
    done = doublehop("explore", "--count", "1", "--out", "/nowhere/at/all")
    assert done.returncode == 2
    assert "does not exist" in done.stderr


@pytest.mark.parametrize("departure", departures.load(), ids=lambda each: each.id)
def test_a_departure_is_still_true_here(departure, lab_session):
    """When this fails, the lab may have become more like Windows: then the departure goes, with its rule."""
    known = {each.id: each for each in catalogue.load(lab_session.topology)}
    for name in departure.scenarios:
        assert lab_session.run(known[name]).verdict.kind is VerdictKind.AGREED, f"{departure.here}: not seen any more"
