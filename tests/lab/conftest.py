"""What the lab tests share: the command line as its users run it."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def doublehop():
    """Run a doublehop command to its end."""

    def run(*arguments, timeout=120):
        return subprocess.run([sys.executable, "-m", "doublehop", *arguments], capture_output=True, text=True,
                              timeout=timeout, check=False)

    return run
