"""Windows guests where none can be: Vagrant itself says so, nothing is kept, and no secret is left or told."""

import shutil
import sys
from pathlib import Path

import pytest

from doublehop import topology as topologies
from doublehop.errors import HostError
from doublehop.providers import vagrant_guests, vagrant_kept, vagrant_provision
from doublehop.providers.vagrant_kept import Kept
from tests.winrm.conftest import KIND

NOWHERE = "hyperv"
"""A provider of Vagrant's that is usable on Windows hosts only."""
SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def machines(not_run, tmp_path, monkeypatch):
    """A folder for Vagrant of the test's own; without Vagrant a test is not run, by name (decision 2)."""
    if shutil.which("vagrant") is None:
        not_run("vagrant missing")
    monkeypatch.setenv(vagrant_kept.DOTFILE, str(tmp_path / "machines"))
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    return tmp_path


def test_where_no_guest_can_be_nothing_is_kept():
    kept = Kept(vagrant_kept.dotfile(), NOWHERE)
    with pytest.raises(HostError, match=f"The provider '{NOWHERE}' that was requested to back the machine 'dc1'"):
        vagrant_provision.brought_up(kept, topologies.load(), lambda text: None)
    assert [each.name for each in kept.folder.iterdir()] == ["log"]


def test_a_guest_that_is_not_there_is_told_nothing(machines):
    guests = vagrant_guests.guests_of(Kept(vagrant_kept.dotfile(), NOWHERE))
    with pytest.raises(HostError, match=f"The provider '{NOWHERE}'") as raised:
        guests.go_on("dc1", {"secrets": {"administrator": SECRET}})
    assert SECRET not in str(raised.value)
    assert not [each for each in machines.rglob("*") if each.is_file() and SECRET in each.read_text(errors="replace")]


def test_tests_that_go_into_machines_of_ours_are_not_run_on_windows(by_hand):
    """Nobody has to know which of doublehop's own tests those are."""
    machines = Path(__file__).parents[1] / "lab" / "test_machines.py"
    done = by_hand(sys.executable, "-m", "pytest", str(machines), "-q", "-p", "no:cacheprovider", "--lab=vagrant",
                   f"--lab-vagrant-provider={KIND}")
    assert done.returncode == 0, done.stdout
    assert "not run: the vagrant lab's machines are not of our making" in done.stdout
    assert "passed" not in done.stdout
