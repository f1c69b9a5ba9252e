"""The lab that Vagrant makes with its docker provider: what it is made of, what runs in it, what is left of it."""

import os
import re
import signal
from pathlib import Path

import pytest

from doublehop import cache, catalogue, holder, providers
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import LabError
from doublehop.lab import provision
from doublehop.model import VerdictKind
from doublehop.providers import claims, vagrant_docker
from doublehop.providers import docker as containers
from doublehop.providers.vagrant_state import State
from doublehop.session import Session
from doublehop.wait import until

ROOT = LAB.parent

SMOKE = [
    "constrained::listed", "constrained::empty-list", "delegation::trusted", "delegation::not-trusted",
    "basic::clear-text", "ntlm::any-protocol", "ntlm::kerberos-protocol-only", "rbcd::front-end-named",
    "rbcd::another-account-named", "protocol-transition::any-protocol", "protocol-transition::kerberos-only",
    "chain::listed-on-both-hops", "tls::require-bound", "trust::constrained", "trust::constrained-not-listed",
]
"""One or two of a topic: what works, and the sibling that must not."""


def held():
    """Labs of which a run lives."""
    return {path.name for each in ("docker", "vagrant") for path in (cache.folder() / "labs" / each).glob("*")
            if path.name not in claims.abandoned(each)}


def leftovers(engine):
    """Labs of doublehop's own of which there is a container, a network or a folder, though no run holds them."""
    before = held()  # another worker's lab may come or go while we look
    mine = {"label": containers.LABEL}
    made = [each.labels for each in engine.containers.list(all=True, filters=mine, ignore_removed=True)]
    made += [each.attrs["Labels"] for each in engine.networks.list(filters=mine)]
    found = {each[containers.LABEL] for each in made} | {each.name for each in (cache.folder() / "vagrant").glob("*")}
    return {each for each in found - before - held() if re.fullmatch("[0-9a-f]{8}", each)}


def nothing_new(engine, before):
    """Nothing is left that was not there; a lab of another user's or cache comes and goes, a leftover stays."""
    until("the end of every lab that nobody holds", 30, lambda: leftovers(engine) <= before or None, every=1)


def state_of(lab):
    """What Vagrant knows of a running lab."""
    number = next(iter(lab.machines.values())).container.split("-")[1]
    return State(cache.folder() / "vagrant" / number, {"DOUBLEHOP_LINUX_LAB": number})


@pytest.fixture(scope="module")
def standing(engine):
    """One lab for the tests that leave it whole."""
    before = leftovers(engine)
    with Session(providers.make("vagrant"), topologies.load(), lambda text: None) as session:
        yield session
    nothing_new(engine, before)
    assert not (ROOT / ".vagrant").exists(), "nothing of a lab is in the checkout"


@pytest.mark.parametrize("which", SMOKE)
def test_the_catalogue_agrees(standing, which):
    (scenario,) = catalogue.select(catalogue.load(topologies.load()), [which])
    verdict = standing.run(scenario).verdict
    assert verdict.kind is VerdictKind.AGREED, verdict


def test_what_is_wrong_is_seen_here_too(standing):
    """The sibling that must fail, expected to work: the lab itself says no."""
    known = catalogue.load(topologies.load())
    (scenario,) = catalogue.load_files([ROOT / "docs/examples/my-bug.toml"], topologies.load(), known)
    assert standing.run(scenario).verdict.kind is VerdictKind.DISAGREED


def test_vagrant_calls_every_machine_running(standing):
    lab = standing.lab()
    states = state_of(lab).status()
    assert {states[each] for each in lab.topology.machines} == {"running"}


def test_containers_have_the_rights_and_places_of_the_docker_lab(engine, standing):
    lab = standing.lab()
    for name, machine in lab.machines.items():
        container = engine.containers.get(machine.container).attrs
        host = container["HostConfig"]
        assert host["Privileged"] is False
        assert host["CapDrop"] == ["ALL"]
        assert {each.removeprefix("CAP_") for each in host["CapAdd"]} == set(containers.CAPABILITIES)
        assert not host["Binds"] and not host["PortBindings"], "no synced folder, no published port"
        assert "no-new-privileges" in host["SecurityOpt"]
        (network,) = container["NetworkSettings"]["Networks"].values()
        assert network["IPAddress"] == str({**lab.topology.machines, **lab.topology.partner.machines}[name].address)
        done = machine.run("ip", "route", "show", "default")
        assert (done.code, done.stdout) == (0, ""), "no machine has a way out of its network"
        assert machine.run("findmnt", "--noheadings", "--output", "FSTYPE", "/state").stdout.split() == ["tmpfs"]
    assert engine.networks.get(machine.container.rpartition("-")[0]).attrs["Internal"]


@pytest.mark.long
def test_a_guest_that_dies_breaks_its_scenario_and_the_next_one_runs_in_a_new_lab(engine, session):
    before = leftovers(engine)
    (scenario,) = catalogue.select(catalogue.load(topologies.load()), ["constrained::listed"])
    with session:
        first = session.lab()
        engine.containers.get(first.machines["sql1"].container).kill()
        assert session.run(scenario).verdict.kind is VerdictKind.BROKEN
        assert session.run(scenario).verdict.kind is VerdictKind.AGREED
        assert session.lab() is not first
    nothing_new(engine, before)


def test_a_guest_that_does_not_come_up_takes_everything_along(engine, monkeypatch):
    before, whole = leftovers(engine), vagrant_docker.VagrantWires.started
    monkeypatch.setattr(vagrant_docker.VagrantWires, "started", lambda wires, topology, images: whole(
        wires, topology, {**images, "web2": "doublehop/there-is-none:ever"}))
    with pytest.raises(LabError, match=r"(?s)vagrant up ended with 1.*doublehop/there-is-none:ever"), \
            providers.make("vagrant").up(topologies.load(), provision, lambda text: None):
        pass
    nothing_new(engine, before)


@pytest.fixture
def victim(engine, holding):
    """A lab held by a process that is going to be killed; gives that process and the lab's containers."""
    with holding("vagrant") as (process, name):
        lines = holder.ask(name)["machines"].values()
        yield process, [next(each for each in line if each.startswith("doublehop-")) for line in lines]


def test_what_a_killed_run_leaves_is_found_and_removed(engine, victim):
    process, names = victim
    provider = providers.make("vagrant")
    lab = names[0].split("-")[1]
    assert lab not in provider.sweep(), "a lab that somebody holds is no leftover"
    assert {each.status for each in map(engine.containers.get, names)} == {"running"}
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lab in leftovers(engine), "containers of Vagrant's stay until somebody destroys them"
    assert lab in provider.sweep()
    assert lab not in leftovers(engine)


def without(program, monkeypatch, tmp_path):
    """A PATH on which everything but one program is found."""
    for folder in os.environ["PATH"].split(os.pathsep):
        for each in Path(folder).glob("*"):
            link = tmp_path / each.name
            if each.name != program and not link.is_symlink():
                link.symlink_to(each)
    monkeypatch.setenv("PATH", str(tmp_path))


def refused(engine, done, sentence):
    """The command ended at once with one sentence."""
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf"doublehop: {sentence}\n", done.stderr), done.stderr
    assert done.stdout == ""


def test_without_vagrant_it_says_what_helps(engine, doublehop, monkeypatch, tmp_path):
    without("vagrant", monkeypatch, tmp_path)
    refused(engine, doublehop("run", "--lab=vagrant", "constrained::listed"),
            r"vagrant missing \(no `vagrant` command\), try `bin/doublehop setup vagrant`")


def test_without_an_engine_it_says_what_helps(engine, doublehop, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/here.sock")
    refused(engine, doublehop("run", "--lab=vagrant", "constrained::listed"),
            r"docker engine missing \(nothing answers at unix:///nobody/here.sock\), try `bin/doublehop setup docker`")


@pytest.mark.parametrize(("name", "value", "problem"), [
    ("SERVER", "2016", r'expected one of 2025, 2022, 2019, not "2016"'), ("SRVER", "2022", "no such option; there .*"),
    ("DC1_MEMORY", "2GB", 'expected something like .*, not "2GB"'),
])
def test_a_wrong_option_is_named_and_nothing_is_left(engine, doublehop, monkeypatch, name, value, problem):
    before = leftovers(engine)
    monkeypatch.setenv(f"DOUBLEHOP_WINDOWS_{name}", value)
    refused(engine, doublehop("run", "--lab=vagrant", "constrained::listed"), f"DOUBLEHOP_WINDOWS_{name}: {problem}")
    nothing_new(engine, before)


@pytest.mark.parametrize(("kind", "sentence"), [
    ("libvirt", "Vagrant's plugin vagrant-libvirt missing: run `apt-get install vagrant-libvirt` as root, or .*"),
    ("vmware_desktop", "Vagrant's plugin vagrant-vmware-desktop missing: run `vagrant plugin install .*"),
    ("hyperv", "Hyper-V missing: it is a Windows host's; run this in WSL 2 there, or choose virtualbox, .*"),
    ("virtualbox", r"VirtualBox missing \(no `VBoxManage` command\): install it from https://.*"),
    ("xen", "--lab-vagrant-provider: expected one of docker, hyperv, libvirt, virtualbox, vmware_desktop, not 'xen'"),
])
def test_a_provider_that_is_missing_says_what_helps(engine, doublehop, kind, sentence, monkeypatch, tmp_path):
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    installed = doublehop("doctor", "--lab=vagrant", f"--lab-vagrant-provider={kind}").returncode == 0
    if installed:
        pytest.skip(f"not run: {kind} is there")
    before = leftovers(engine)
    done = doublehop("run", "--lab=vagrant", f"--lab-vagrant-provider={kind}", "constrained::listed")
    refused(engine, done, sentence)
    nothing_new(engine, before)
