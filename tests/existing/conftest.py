"""What the tests of an existing environment share: a lab that another process holds."""

import os
import subprocess
from contextlib import contextmanager

import pytest

from doublehop import holder
from tests.existing.standing import CA, DEFAULT_SITE, FRONT_END, KDC_LOG, Standing, portal_of


@contextmanager
def brought_up(doublehop, scenario, front_end, folder):
    """A lab in one scenario's configuration, with a reader, and with its KDC's log forwarded to a file."""
    name = f"existing-{os.getpid()}-{folder.name}"
    done = doublehop("up", "--name", name, "--scenario", scenario)
    assert done.returncode == 0, done.stderr
    try:
        there = Standing(holder.ask(name)["machines"], folder, portal_of(scenario), front_end)
        (folder / "ca.pem").write_text(there.on("dc1", "cat", CA))
        there.add("reader")
        there.set_password("lab-alice")
        with (folder / "kdc.log").open("wb") as log, subprocess.Popen(
                [*there.machines["dc1"], "tail", "-c", "0", "-F", KDC_LOG], stdout=log) as forwarding:
            yield there
            forwarding.kill()
    finally:
        assert doublehop("down", "--name", name).returncode == 0


@pytest.fixture(scope="module")
def standing(doublehop, tmp_path_factory):
    """A pool of a user's own that is trusted for delegation."""
    with brought_up(doublehop, "delegation::trusted", FRONT_END, tmp_path_factory.mktemp("existing")) as there:
        yield there


@pytest.fixture(scope="module")
def default_site(doublehop, tmp_path_factory):
    """A web server whose default site runs as the computer, which is trusted for delegation."""
    with brought_up(doublehop, "client::intranet", DEFAULT_SITE, tmp_path_factory.mktemp("existing")) as there:
        yield there
