"""What Vagrant reads, and the parts of its provider that need neither it nor an engine."""

import json
import os
import re
import subprocess

import pytest
import vagrant as python_vagrant

from doublehop import providers, setup
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, InputError, LabError
from doublehop.model import Role
from doublehop.providers import docker as containers
from doublehop.providers import vagrant, vagrant_machines, vagrant_state
from doublehop.run import CommandResult

SHIPPED = (LAB / "topology.toml").read_text()


def test_the_file_of_machines_is_up_to_date(topology):
    remedy = "run python -m doublehop.providers.vagrant_machines > lab/vagrant/machines.json"
    assert vagrant_machines.PATH.read_text() == vagrant_machines.written(topology), remedy


def test_every_machine_is_in_it_with_its_place_and_a_guest(topology):
    read = json.loads(vagrant_machines.PATH.read_text())
    assert [each["name"] for each in read["machines"]] == list(topology.machines)
    assert set(read["windows"]["guests"]) == set(topology.machines)
    client = topology.only(Role.CLIENT)
    for name, guest in read["windows"]["guests"].items():
        assert guest["kind"] == ("client" if name == client else "server")
        assert guest["memory"] >= 2048, "no Windows with a desktop runs in less"


REFUSED = {
    "unknown server": ('server = "2022"', 'server = "2016"', "windows.server: expected one of 2025, 2022, 2019"),
    "unknown client": ('client = "11"', 'client = "xp"', "windows.client: expected one of 11, 11-24h2, not 'xp'"),
    "unknown edition": ('sql = "developer"', 'sql = "web"', "windows.sql: expected one of developer, express"),
    "guest of no machine": ("dc1 = {", "dc9 = {", "windows.guests.dc9: no machine has this name"),
    "machine without guest": ("web2 = { memory = 3072, cpus = 2 }\n", "",
                              "windows.guests: expected one for machine 'web2'"),
    "misspelt key": ("{ memory = 2048", "{ memmory = 2048", "windows.guests.dc1.memory: Field required"),
    "no number": ("{ memory = 2048", '{ memory = "much"', "windows.guests.dc1.memory: Input should be a valid integer"),
}


@pytest.mark.parametrize(("old", "new", "problem"), REFUSED.values(), ids=REFUSED)
def test_wrong_windows_guests_are_refused(tmp_path, old, new, problem):
    assert old in SHIPPED
    path = tmp_path / "topology.toml"
    path.write_text(SHIPPED.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(problem)):
        topologies.load(path)


def test_containers_have_what_the_docker_provider_gives_them():
    linux = json.loads(vagrant_machines.PATH.read_text())["linux"]
    assert set(linux["capabilities"]) == set(containers.CAPABILITIES)
    assert linux["label"] == containers.LABEL


def test_docker_is_what_vagrant_uses_where_nobody_says(monkeypatch):
    monkeypatch.setenv(vagrant.CHOICE, "")  # so that it is as it was afterwards
    assert vagrant.VagrantProvider().kind == "docker"
    vagrant.choose("libvirt")
    assert vagrant.VagrantProvider().kind == "libvirt"
    monkeypatch.setenv(vagrant.CHOICE, "xen")
    with pytest.raises(InputError, match=r"VAGRANT_DEFAULT_PROVIDER: expected one of .*not 'xen'"):
        providers.make("vagrant")
    with pytest.raises(InputError, match="--lab-vagrant-provider: expected one of"):
        vagrant.choose("xen")


def test_every_provider_is_known_to_a_module_that_is_there():
    for each in vagrant.GUESTS.values():
        module, _, attribute = each.partition(":")
        assert f"class {attribute}" in (LAB.parent / f"{module.replace('.', '/')}.py").read_text()


def test_without_vagrant_nothing_else_is_asked(monkeypatch, topology, tmp_path):
    monkeypatch.delenv(vagrant.CHOICE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    provider = vagrant.VagrantProvider()
    assert provider.check() == ["vagrant missing (no `vagrant` command), try `bin/doublehop setup vagrant`"]
    assert (provider.versions(topology), provider.sweep()) == ({}, [])
    with pytest.raises(HostError, match="vagrant missing"):
        provider.up(topology, lambda machine, topology: None, lambda text: None)


@pytest.fixture
def host(monkeypatch):
    """A Debian on which commands are noted; `packages` are those it knows."""

    def be(*packages):
        programs, done = set(), []

        def run(argv, **_):
            if argv[0] == "apt-cache":
                shown = "Candidate: 1" if argv[-1] in packages else "Candidate: (none)"
                return CommandResult(argv=(), code=0, stdout=shown, stderr="")
            done.append(" ".join(argv))
            if "install" in argv:
                programs.add("vagrant")
            return CommandResult(argv=(), code=0, stdout="", stderr="")

        monkeypatch.setattr(setup, "run", run)
        monkeypatch.setattr(setup, "_has", lambda each: each in programs)
        monkeypatch.setattr(os, "getuid", lambda: 0)
        return done

    return be


def test_setup_installs_debians_vagrant_and_starts_nothing(host):
    done = host("vagrant")
    assert setup.set_up("vagrant", lambda text: None) == "vagrant: installed vagrant"
    assert done[1].endswith("apt-get install --yes --no-install-recommends vagrant")
    assert len(done) == 2
    assert setup.set_up("vagrant", lambda text: None) == "vagrant: ready already"


def test_where_debian_has_no_vagrant_setup_says_whose_to_install(host):
    done = host()
    with pytest.raises(HostError, match="this release of Debian has no package vagrant: install HashiCorp's"):
        setup.set_up("vagrant", lambda text: None)
    assert done == ["apt-get update --quiet"], "nothing but the index is tried"


@pytest.fixture
def ups(monkeypatch, tmp_path):
    """A `vagrant up` that fails with each of these words in turn, and then comes up; gives how often it ran."""

    def say(*lasts):
        left, ran = list(lasts), []

        def up(self, **_):
            ran.append(self.env["DOUBLEHOP_LINUX_LAB"])
            if left:
                with self.err_cm() as log:
                    log.write(f"Bringing machine 'dc1' up with 'docker' provider...\n{left.pop(0)}\n")
                raise subprocess.CalledProcessError(1, ["vagrant", "up"])

        monkeypatch.setattr(python_vagrant.Vagrant, "up", up)
        return vagrant_state.State(tmp_path, {"DOUBLEHOP_LINUX_LAB": "7"}), ran

    return say


def test_a_container_of_somebody_elses_that_ends_meanwhile_is_no_failure(ups):
    state, ran = ups(*["Stderr: Error: No such object: bfd4cac94f1d"] * 4)
    state.up("dc1", provider="docker")
    assert ran == ["7"] * 5


def test_vagrant_that_goes_on_failing_is_a_failure_in_its_own_words(ups):
    state, _ = ups(*["Stderr: Error: No such object: bfd4cac94f1d"] * 5)
    with pytest.raises(LabError, match=r"(?s)vagrant up ended with 1.*No such object: bfd4cac94f1d"):
        state.up("dc1", provider="docker")


@pytest.mark.parametrize(("said", "told"), [
    ('DOUBLEHOP_WINDOWS_SERVER: expected one of 2025, not "2016"', "expected one of 2025, not"),
    ("The provider 'libvirt' could not be found, but was requested to\nback the machine 'dc1'.",
     "but was requested to back the machine 'dc1'."),
    ("The provider 'virtualbox' that was requested to back the machine\n'dc1' is reporting that it isn't usable",
     "machine 'dc1' is reporting that it isn't usable"),
    ("client1: no box a/b for virtualbox; run `vagrant box add a/b` (Vagrant says: The box 'a/b' could not be found)\n",
     "client1: no box a/b for virtualbox; run `vagrant box add a/b` (Vagrant says: The box 'a/b' could not be found)"),
])
def test_what_is_missing_or_misspelt_is_no_failure_of_the_lab(ups, said, told):
    state, ran = ups(said)
    with pytest.raises(HostError, match=re.escape(told)) as refusal:
        state.up("dc1", provider="docker")
    assert "\n" not in str(refusal.value), "one sentence"
    assert len(ran) == 1


def test_what_vagrant_said_earlier_is_not_held_against_it(ups):
    state, _ = ups("DOUBLEHOP_WINDOWS_SERVER: expected one of 2025", "the engine is full")
    with pytest.raises(HostError):
        state.up("dc1", provider="docker")
    with pytest.raises(LabError, match="the engine is full"):
        state.up("dc1", provider="docker")
