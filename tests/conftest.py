"""What tests of several kinds share: the command line as its users run it, and a lab held by a process."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from doublehop import holder
from doublehop.model import Need
from doublehop.pytest_plugin import SESSION
from doublehop.session import BY_INVENTORY

PROGRAM = (sys.executable, "-m", "doublehop")


def pytest_collection_modifyitems(items):
    """What takes long begins."""
    items.sort(key=lambda each: each.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def _machines_of_our_own(request, not_run):
    """Only the catalogue asks nothing of its machines but what they are for; these tests go into them."""
    provider = request.config.stash[SESSION].provider
    goes_in = "lab_session" in request.fixturenames and "scenario_result" not in request.fixturenames
    if goes_in and (provider.name in BY_INVENTORY or Need.COMPUTER_PASSWORDS not in provider.offers):
        not_run(f"the {provider.name} lab's machines are not of our making")


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
