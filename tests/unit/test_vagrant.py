"""What Vagrant reads, and the parts of its provider that need neither it nor an engine."""

import json
import os
import re

import pytest

from doublehop import providers, setup
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, InputError
from doublehop.model import Role
from doublehop.providers import docker as containers
from doublehop.providers import vagrant, vagrant_machines
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
    monkeypatch.delenv(vagrant.CHOICE, raising=False)
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
    assert done == [], "nothing is tried"
