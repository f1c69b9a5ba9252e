"""Windows guests where none can be: Vagrant itself says so, nothing is kept, and no secret is left or told."""

import shutil

import pytest

from doublehop import topology as topologies
from doublehop.errors import HostError, LabError
from doublehop.providers import vagrant_guests

NOWHERE = "hyperv"
"""A provider of Vagrant's that is usable on Windows hosts only."""
SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cache(not_run, tmp_path, monkeypatch):
    """A cache folder of the test's own; without Vagrant a test is not run, by name (decision 2)."""
    if shutil.which("vagrant") is None:
        not_run("vagrant missing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    return tmp_path


def test_where_no_guest_can_be_nothing_is_kept(cache):
    with pytest.raises(HostError, match=f"The provider '{NOWHERE}' that was requested to back the machine 'dc1'"):
        vagrant_guests.brought_up(NOWHERE, topologies.load(), lambda text: None)
    assert not (cache / "doublehop" / "vagrant" / f"windows-{NOWHERE}").exists()


def test_a_guest_that_is_not_there_is_told_nothing(cache):
    guests = vagrant_guests.Guests(vagrant_guests.folder_of(NOWHERE), {})
    with pytest.raises(LabError, match="vagrant upload") as raised:
        guests.go_on("dc1", {"secrets": {"administrator": SECRET}})
    assert SECRET not in str(raised.value)
    assert not [each for each in cache.rglob("*") if each.is_file() and SECRET in each.read_text(errors="replace")]
