"""The catalogue: one test for each scenario."""

import subprocess
import sys

import pytest

HERE = "tests/lab/test_catalogue.py::test_scenario["


@pytest.mark.delegation
def test_scenario(scenario_result, settle):
    settle(scenario_result)


def test_the_marker_selects_the_scenarios_and_nothing_else(pytestconfig):
    """Whoever runs `pytest -m delegation` against Windows has no use for tests of the lab on Linux."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", "delegation"]
    done = subprocess.run(argv, cwd=pytestconfig.rootpath, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    collected = [each for each in done.stdout.splitlines() if "::" in each]
    assert len(collected) > 400
    assert not [each for each in collected if not each.startswith(HERE)]
