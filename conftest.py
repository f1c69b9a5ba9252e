"""The plugin is an entry point of the installed package; nothing has to be loaded here.

What was not run because an optional tool is missing is counted by name, with what helps.
"""

from collections import Counter
from collections.abc import Callable
from typing import NoReturn

import pytest

pytest_plugins = ["pytester"]
NOT_RUN = "Skipped: not run: "


@pytest.fixture(scope="session")
def not_run(pytestconfig: pytest.Config) -> Callable[[str], NoReturn]:
    """Ends a test that an optional tool is missing for, by the name of what is; a failure with `--lab-strict`."""
    def end(reason: str) -> NoReturn:
        (pytest.fail if pytestconfig.getoption("lab_strict") else pytest.skip)(f"not run: {reason}")

    return end


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that a missing tool kept from running; scenarios are counted by the plugin."""
    skipped = [each.longrepr[2] for each in terminalreporter.stats.get("skipped", ()) if not each.user_properties]
    for reason, number in Counter(each for each in skipped if each.startswith(NOT_RUN)).items():
        terminalreporter.write_line(f"{reason.removeprefix('Skipped: ')} ({number} tests)")
