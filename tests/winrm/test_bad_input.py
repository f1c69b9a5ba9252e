"""Files that somebody damaged, by the command line: each is named with what helps, and Vagrant is asked for nothing."""

import json

import pytest

from doublehop.providers.authority import Authority
from doublehop.providers.vagrant_kept import Kept, Mark
from tests.winrm.conftest import KIND

RUN = ("bin/doublehop", "run", "--lab=vagrant", f"--lab-vagrant-provider={KIND}", "constrained::listed")
PROVISION = ("bin/doublehop", "provision", f"--lab-vagrant-provider={KIND}")
TOPOLOGY = "lab/vagrant/machines.json"


@pytest.fixture
def guests(checkout):
    """Guests that have been told secrets, as far as this side knows."""
    kept = Kept(checkout / ".vagrant", KIND)
    for name in ("dc1", "web1"):
        path = kept.dotfile / "machines" / name / KIND
        path.mkdir(parents=True)
        (path / "id").write_text(f"machine {name}")
    kept.secrets(())
    for name in ("dc1", "web1"):
        kept.note(name, Mark(f"machine {name}"))
    return kept


@pytest.mark.parametrize("argv", [RUN, PROVISION], ids=["run", "provision"])
@pytest.mark.parametrize(("path", "problem", "remedy"), [
    (".vagrant/doublehop/virtualbox/secrets.json", "cannot be read", "vagrant destroy` and begin anew"),
    (".vagrant/doublehop/virtualbox/web1.mark", "cannot be read", "vagrant destroy web1` and begin anew"),
    (".vagrant/doublehop/virtualbox/authority.pem", "cannot be read", "make the machines anew"),
    ("lab/vagrant/options.json", "Expecting", "write one object of options, or remove it"),
    (TOPOLOGY, "Expecting", f"run python -m doublehop.providers.vagrant_machines > {TOPOLOGY}"),
])
def test_a_damaged_file_is_named_with_what_helps(by_hand, checkout, guests, argv, path, problem, remedy):
    (checkout / path).write_text("{")
    done = by_hand(*argv)
    assert done.returncode == 2, done.stdout
    assert done.stdout.startswith(f"doublehop: {checkout / path}") and done.stdout.count("\n") == 1, "one sentence"
    assert problem in done.stdout and remedy in done.stdout
    assert not (guests.folder / "log").exists()


@pytest.mark.parametrize("argv", [RUN, PROVISION], ids=["run", "provision"])
@pytest.mark.parametrize(("option", "said"), [
    ("DOUBLEHOP_WINDOWS_SQL", "expected one of developer, express, not"),
    ("DOUBLEHOP_WINDOWS_DC1_MEMORY", "expected something like"),
    ("DOUBLEHOP_WINDOWS_DC1_MEMROY", "no such option; there are"),
])
def test_a_wrong_option_is_named_at_once(by_hand, guests, argv, option, said):
    Authority.founded(guests.folder)
    done = by_hand(*argv, **{option: "much"})
    assert done.returncode == 2, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"doublehop: {option}: {said}")


@pytest.mark.parametrize("argv", [RUN, PROVISION], ids=["run", "provision"])
def test_no_other_authority_is_made_for_guests_that_trust_one(by_hand, guests, argv):
    """They would go on showing what the first one signed, and be taken for strangers."""
    done = by_hand(*argv)
    assert done.returncode == 2, done.stdout
    assert done.stdout.startswith(f"doublehop: {guests.folder}/authority.pem cannot be read")
    assert "put it back" in done.stdout
    assert not [*guests.folder.glob("authority.*")]


@pytest.mark.parametrize("key", ["sql", "guests", "hosting_bundle", "sql_editions"])
def test_a_key_that_the_topology_file_lacks_is_named_with_what_helps(by_hand, checkout, key):
    path = checkout / TOPOLOGY
    described = json.loads(path.read_text())
    del described["windows"][key]
    path.write_text(json.dumps(described))
    done = by_hand(*RUN)
    assert done.returncode == 2, done.stdout
    assert done.stdout == f"doublehop: {path}: windows.{key}: missing; run python -m " \
                          f"doublehop.providers.vagrant_machines > {TOPOLOGY}\n"
    assert not (checkout / ".vagrant" / "machines").exists()
