"""What tests of several kinds share: the command line as its users run it, and a lab held by a process."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from doublehop import holder

PROGRAM = (sys.executable, "-m", "doublehop")


def pytest_collection_modifyitems(items):
    """What takes long begins."""
    items.sort(key=lambda each: each.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def doublehop():
    """Run a doublehop command to its end."""

    def run(*arguments, timeout=240, **options):
        return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False,
                              **options)

    return run


@pytest.fixture(scope="session")
def holding():
    """Start a process that holds a lab, for tests that end that process; gives it and the lab's name, once it is up."""

    @contextmanager
    def hold(lab, **environment):
        name = f"{lab}-victim-{os.getpid()}"
        # Whoever started the tests may ignore SIGINT, as a shell does for what it runs in the background.
        process = subprocess.Popen(["env", "--default-signal=INT", *PROGRAM, "hold",
                                    "--name", name, "--lab", lab],
                                   stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        assert process.stdout
        with process.stdout:
            try:
                assert any(line.strip() == holder.READY for line in process.stdout)
                yield process, name
            finally:
                process.kill()
                process.wait()

    return hold
