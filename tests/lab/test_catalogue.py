"""The catalogue: one test for each scenario."""

import pytest


@pytest.mark.delegation
def test_scenario(scenario_result, settle):
    settle(scenario_result)
