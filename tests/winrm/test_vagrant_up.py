"""`vagrant up` by hand with the project's Vagrantfile: guests are provisioned by Vagrant's own provisioner.

Vagrant, its locks, its communicator, the Vagrantfile, `doublehop provision` and the scripts are real; the hypervisor is
a stand-in, and the machines are the models of `tests/windows` behind SSH servers of this test's own.
"""

import json
import stat
import subprocess
import sys
from functools import partial

import pytest

from doublehop import topology as topologies
from doublehop.providers.vagrant_kept import Kept
from tests.winrm.conftest import KIND
from tests.winrm.guests import PowerShell
from tests.winrm.model import Windows
from tests.winrm.ssh_guests import Machine, Servers

NAMES = ("dc1", "web1")
CONTROLLER = 5
"""Win32_ComputerSystem's DomainRole of a primary domain controller."""


@pytest.fixture
def servers(pwsh, tmp_path):
    """Machines as their boxes bring them, which answer SSH."""
    machines = {}
    for name in NAMES:
        drive = tmp_path / name
        drive.mkdir()
        model = Windows(pwsh, tmp_path / f"{name}-windows", topologies.load().machines[name])
        machines[name] = Machine(name, model, PowerShell(pwsh, name, drive, model), drive)
    servers = Servers(machines, tmp_path)
    yield servers
    servers.close()
    assert not servers.failed


@pytest.fixture
def run(by_hand, servers, tmp_path):
    """Run a program as a person does, in the checkout; Vagrant's machines are those servers."""
    (tmp_path / "servers.json").write_text(json.dumps({
        "ports": {name: each.port for name, each in servers.machines.items()},
        "common": {"host": "127.0.0.1", "username": "vagrant", "private_key_path": [str(servers.key_path)]}}))

    def run(*argv, **options):
        try:
            return by_hand(*argv, **options)
        except subprocess.TimeoutExpired as failure:
            ran = {name: each.ran[-3:] for name, each in servers.machines.items()}
            pytest.fail(f"{failure}\n{failure.stdout!r}\n{ran}\n{servers.failed}")

    return run


@pytest.fixture
def vagrant(run):
    """Run one of Vagrant's commands."""
    return partial(run, "vagrant")


@pytest.fixture
def kept(checkout):
    """What is kept of the guests."""
    return Kept(checkout / ".vagrant", KIND)


LAB_OF_OURS = """\
import dataclasses, json, sys
from doublehop import topology
from doublehop.providers.vagrant_kept import Kept, dotfile
from doublehop.providers.vagrant_provision import brought_up

here = topology.load()
here = dataclasses.replace(here, machines={name: here.machines[name] for name in sys.argv[2:]})
told = []
access = brought_up(Kept(dotfile(), sys.argv[1]), here, told.append)
assert len(told) == 1, told
print(json.dumps({"web1": access.endpoints["web1"], "directory": access.directory},
                 default=lambda each: (each.address, each.port)))
"""


def lab_of_the_same(run):
    """A lab of ours takes the guests that are there, and has nothing to do; gives where it reaches them."""
    done = run(sys.executable, "-c", LAB_OF_OURS, KIND, *NAMES)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


@pytest.mark.long
def test_a_vagrant_up_that_was_cut_short_goes_on_and_provisioning_again_changes_nothing(run, vagrant, servers, kept):
    """Also where machines come up side by side: a member waits for its domain."""
    dc1, web1 = servers.machines["dc1"].model, servers.machines["web1"].model
    web1.begin_with(refuses=True)
    done = vagrant("up", *NAMES, SIDE_BY_SIDE="1")
    assert done.returncode == 1
    assert "web1 is not provisioned: web1: provisioning ended with 1" in " ".join(done.stdout.split())
    assert "Windows would not generalize this machine" in done.stdout
    assert dc1.state["computer"]["role"] == CONTROLLER
    assert "dc1: doublehop: dc1: rename" in done.stdout, "by its own provisioner"

    web1.change(refuses=None)
    done = vagrant("up", *NAMES)
    assert done.returncode == 0, done.stdout
    assert web1.state["computer"]["domain"] == topologies.load().dns
    assert not [each for each in done.stdout.splitlines() if "dc1: doublehop: dc1" in each], "it was done"
    states = {name: json.dumps(each.model.state) for name, each in servers.machines.items()}
    secrets = kept.secrets(NAMES)
    assert stat.S_IMODE((kept.folder / "secrets.json").stat().st_mode) == 0o600
    said = [done.stdout, *(text for each in servers.machines.values() for text in each.ran)]
    assert not [each for each in said if any(one in each for one in secrets.values())]

    done = vagrant("provision", *NAMES)
    assert done.returncode == 0, done.stdout
    for name, each in servers.machines.items():
        assert f"{name}: doublehop: {name}: nothing to change" in done.stdout
        assert json.dumps(each.model.state) == states[name]

    assert lab_of_the_same(run) == {"web1": ["127.0.0.1", 55986], "directory": ["127.0.0.1", 55636]}
    assert kept.secrets(NAMES) == secrets

    assert vagrant("destroy", "--force", "web1").returncode == 0
    assert (kept.mark("web1"), kept.known(NAMES)) == (None, secrets), "dc1 has been told"
    assert vagrant("destroy", "--force").returncode == 0
    assert kept.known(NAMES) is None


def test_a_guest_whose_domain_controller_is_not_up_says_so(vagrant, servers):
    done = vagrant("up", "web1")
    assert done.returncode == 1
    assert f"web1 is not provisioned: dc1 is not up: run `vagrant up --provider={KIND} dc1`" in done.stdout
    assert not servers.machines["web1"].ran
