"""The plugin is an entry point of the installed package; nothing has to be loaded here.

What was not run because an optional tool is missing is counted by name, with what helps.
"""

from collections import Counter

import pytest

pytest_plugins = ["pytester"]
NOT_RUN = "Skipped: not run: "


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that a missing tool kept from running; scenarios are counted by the plugin."""
    skipped = [each.longrepr[2] for each in terminalreporter.stats.get("skipped", ()) if not each.user_properties]
    for reason, number in Counter(each for each in skipped if each.startswith(NOT_RUN)).items():
        terminalreporter.write_line(f"{reason.removeprefix('Skipped: ')} ({number} tests)")
