"""Windows guests for the tests: made of machines of the local lab, as far as WinRM shows them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pypsrp
import pytest

from doublehop.data import LAB
from doublehop.directory import modify
from doublehop.lab import user_secret
from doublehop.model import Principal
from doublehop.providers import vagrant_machines
from doublehop.providers.authority import Authority
from tests.winrm.authority import certified
from tests.winrm.guests import Guest, PowerShell

MISSING = "pwsh missing"
PORT = 5986
HERE = Path(__file__).parent
CLIENT = (HERE / "client.py").read_text()
KIND = "virtualbox"
SLASH = "-VAGRANTSLASH-"
"""Vagrant's own, in the names of boxes' folders."""
BY_HAND_SECONDS = 240
EMPTY = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def pwsh(not_run):
    """PowerShell's engine. Without it a test is not run, by name (decision 2)."""
    program = shutil.which("pwsh")
    if program is None:
        not_run(MISSING)
    return program


@pytest.fixture
def checkout(not_run, tmp_path):
    """A copy of this checkout, with `doublehop` as it is installed for the tests."""
    if shutil.which("vagrant") is None:
        not_run("vagrant missing")
    root = tmp_path / "checkout"
    root.mkdir()
    for each in ("Vagrantfile", "doublehop", "lab", "fixtures"):
        copy = shutil.copytree if (LAB.parent / each).is_dir() else shutil.copy
        copy(LAB.parent / each, root / each)
    program = root / "bin" / "doublehop"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m doublehop "$@"\n')
    program.chmod(0o700)
    return root


@pytest.fixture
def boxes(tmp_path):
    """The folder of the boxes that this user's Vagrant has: those of every guest."""
    folder = tmp_path / "home" / "boxes"
    for each in json.loads(vagrant_machines.PATH.read_text())["windows"]["guests"].values():
        box = folder / each["box"].replace("/", SLASH) / each["version"] / KIND
        box.mkdir(parents=True, exist_ok=True)
        (box / "metadata.json").write_text(json.dumps({"provider": KIND}))
    (folder.parent / "setup_version").write_text("1.5")  # without that Vagrant takes the boxes for those of an old one
    return folder


@pytest.fixture
def by_hand(checkout, boxes, tmp_path):
    """Run a program as a person does, in the checkout; Vagrant has a stand-in for its virtualbox, and no catalogue."""
    programs = tmp_path / "programs"
    programs.mkdir()
    shutil.copy(HERE / "hypervisor.rb", boxes.parent / "Vagrantfile")
    (programs / "VBoxManage").write_text(EMPTY)
    (programs / "VBoxManage").chmod(0o700)
    (tmp_path / "servers.json").write_text(json.dumps({"ports": {}, "common": {}}))

    def run(*argv, **options):
        own = {"VAGRANT_HOME": str(boxes.parent), "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_DEFAULT_PROVIDER": KIND,
               "VAGRANT_SERVER_URL": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1",
               "STAND_IN": str(tmp_path / "servers.json"), "PATH": f"{programs}:{os.environ['PATH']}"}
        return subprocess.run(argv, cwd=checkout, env={**os.environ, **own, **options}, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BY_HAND_SECONDS)

    return run


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """The authority that signs the machines' certificates."""
    return Authority.founded(tmp_path_factory.mktemp("authority"))


class Guests:
    """Makes machines of the lab answer WinRM with their own accounts' keys; `running` has each by name."""

    def __init__(self, lab, directory, bench, pwsh, authority, folder):
        self.running = {}
        self._lab, self._directory, self._bench = lab, directory, bench
        self._pwsh, self._authority, self._folder = pwsh, authority, folder

    def key(self, name):
        """A member's own computer account's; the others have an account that stands for theirs."""
        lab, directory = self._lab, self._directory
        spns = (f"WSMAN/{{{name}}}",)
        if name in lab.topology.members:
            directory.add(computers={name: Principal(spns=spns)})
            return lab.secrets[f"{name.upper()}$"]
        label = f"winrm-{name}"
        directory.add(accounts={label: Principal(spns=spns)})
        # A run sweeps away what its predecessors added; this one is the machine's, as its computer account would be.
        lab.change([modify(self._bench.scope.dn(label), "replace", "description", ["a computer account's stand-in"])])
        (kvno,) = directory.read(label, "msDS-KeyVersionNumber")["msDS-KeyVersionNumber"]
        return user_secret(lab.topology, directory.account(label), int(kvno), self._bench.passwords[label])

    def __call__(self, name, *, own=None, windows=None, watch=None, signed_by=None, host="", **more):
        """Begin; `own` is its account's key, where that was asked for before."""
        topology, drive = self._lab.topology, self._folder / name
        drive.mkdir()
        powershell = PowerShell(self._pwsh, name, drive, windows, watch)
        self.running[name] = Guest(self._lab.machines[name], drive, powershell, {
            "account": (own or self.key(name)).as_key(), "domain": topology.domain, "realm": topology.realm,
            "address": str(topology.machines[name].address), "port": PORT,
            "administrators": [f"Administrator@{topology.realm}"],
            **certified(signed_by or self._authority, host or topology.fqdn(name)), **more})
        return self.running[name]


@pytest.fixture
def guests(lab, directory, lab_bench, pwsh, authority, tmp_path):
    """Make machines of the lab Windows guests, as far as WinRM shows them."""
    guests = Guests(lab, directory, lab_bench, pwsh, authority, tmp_path)
    yield guests
    for each in guests.running.values():
        each.close()


def unpacked(machine, into, folder, *names):
    """Copy files of this host into a machine, as a stream."""
    packing = ["tar", "--create", "--exclude=__pycache__", "--directory", folder, *names]
    with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
        unpacking = machine.enter("tar", "--extract", "--no-same-owner", "--directory", into)
        subprocess.run(unpacking, stdin=packed.stdout, timeout=60, check=True)
    assert packed.returncode == 0


@pytest.fixture
def toolbox(lab):
    """A folder of client1 with this checkout and pypsrp: where the provider runs, since no host may talk to the lab."""
    machine = lab.machines["client1"]
    folder = machine.run("mktemp", "--directory").check().stdout.strip()
    unpacked(machine, folder, LAB.parent, "doublehop", "lab", "fixtures")
    unpacked(machine, folder, Path(pypsrp.__file__).parents[1], "pypsrp")
    yield folder
    machine.run("rm", "--recursive", folder).check()


@pytest.fixture
def ask(lab, toolbox, authority):
    """Run programs in a guest from client1: as an administrator with a ticket, or as somebody with a password."""

    def ask(name, *programs, account=None, trusting=authority, port=PORT, address=""):
        own = lab.secrets["Administrator"]
        given = {
            "authority": {"path": f"{toolbox}/authority.pem", "pem": trusting.pem},
            "ccache": f"FILE:{toolbox}/ccache", "account": account or {},
            "endpoint": {"machine": name, "host": lab.topology.fqdn(name), "port": port,
                         "address": address or str(lab.topology.machines[name].address)},
            "run": programs,
        }
        if account is None:
            given["ticket"] = {"principal": own.principal, "password": own.password}
        done = lab.machines["client1"].run("env", f"PYTHONPATH={toolbox}", "python3", "-c", CLIENT,
                                           stdin=json.dumps(given), timeout=120).check()
        return json.loads(done.stdout)

    return ask
