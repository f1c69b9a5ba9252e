"""The docker lab: what it is made of, what reaches it, and what is left of it."""

import os
import signal
import subprocess

import pytest

from doublehop import holder, providers
from doublehop import topology as topologies
from doublehop.errors import LabError
from doublehop.lab import provision
from doublehop.model import Role, VerdictKind
from doublehop.providers import claims
from doublehop.providers import docker as provider
from doublehop.session import Session
from doublehop.wait import until


def everything(engine):
    """All containers and networks that any lab made."""
    mine = {"label": provider.LABEL}
    found = [*engine.containers.list(all=True, ignore_removed=True, filters=mine), *engine.networks.list(filters=mine)]
    return {each.name for each in found}


def of_lab(engine, lab):
    """What one lab has made; others may come and go meanwhile."""
    return {each for each in everything(engine) if lab in each}


def lab_of(machine):
    return machine.container.split("-")[1]


def test_a_scenario_agrees_and_nothing_is_left(engine, session, scenario):
    with session:
        assert session.run(scenario).verdict.kind is VerdictKind.AGREED
        lab = lab_of(session.lab().machines["dc1"])
        assert len(of_lab(engine, lab)) == 6, "five machines and their network"
    assert not of_lab(engine, lab)


def test_what_fails_in_a_lab_is_not_the_engines(session):
    """It would be told as one of the engine's otherwise."""
    up = providers.make("docker").up(session.topology, provision, lambda text: None)
    with pytest.raises(BrokenPipeError), up:
        raise BrokenPipeError


def test_containers_have_few_rights_and_no_way_out(engine, session):
    for machine in session.lab().machines.values():
        container = engine.containers.get(machine.container).attrs
        host = container["HostConfig"]
        assert host["Privileged"] is False
        assert host["CapDrop"] == ["ALL"]
        assert {each.removeprefix("CAP_") for each in host["CapAdd"]} == set(provider.CAPABILITIES)
        assert host["Sysctls"] == provider.SYSCTLS
        assert not host["Binds"] and not host["PortBindings"]
        assert not any(container["NetworkSettings"]["Ports"].values())
        assert "no-new-privileges" in host["SecurityOpt"]
        (name,) = container["NetworkSettings"]["Networks"]
        assert container["Config"]["Labels"][provider.LABEL] == name.removeprefix("doublehop-")
        network = engine.networks.get(name).attrs
        assert network["Internal"]
        done = machine.run("ip", "route", "show", "default")
        assert (done.code, done.stdout) == (0, ""), "no machine has a way out of its network"


def test_a_domain_controller_of_another_release(doublehop):
    """Samba 4.17 lets no account write its own list, and 4.22 does: the second agrees only with the departure there."""
    asked = ("constrained::listed", "rights::resource-based-by-the-account")
    done = doublehop("run", "--lab=docker", "--lab-dc=bookworm", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 agreed, 0 disagreed, 0 broken, 0 not run" in done.stdout
    assert "insufficientAccessRights" in done.stdout


def test_this_host_has_no_address_on_the_labs_network(session):
    network = session.lab().topology.network
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    assert str(network) not in routes


def test_machines_have_the_files_and_addresses_of_the_topology(session):
    lab = session.lab().wait_for_all()
    for name, machine in lab.machines.items():
        files = lab.topology.files_for(name)
        for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/krb5.conf"):
            assert machine.fetch(path).decode() == files[path]
        assert machine.run("hostname").stdout == f"{name}\n"
        assert f"inet {lab.topology.machines[name].address}/" in machine.run("ip", "addr", "show", "eth0").stdout


def test_no_secret_is_where_others_can_read_it(engine, session):
    lab = session.lab().wait_for_all()
    secrets = [each.password for each in lab.secrets.values()]
    assert len(secrets) > 3
    for machine in lab.machines.values():
        shown = str(engine.containers.get(machine.container).attrs) + machine.run(
            "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '").stdout
        assert not [each for each in secrets if each in shown]
        open_files = machine.run("find", "/state", "/run", "-name", "*keytab*", "-type", "f", "-perm", "/077")
        assert open_files.stdout == ""
        kinds = machine.run("findmnt", "--noheadings", "--output", "FSTYPE", "/state").stdout
        assert kinds.split() == ["tmpfs"], "what holds secrets is in memory"


def test_two_labs_do_not_meet(scenario):
    with (Session(providers.make("docker"), topologies.load(), lambda text: None) as one,
          Session(providers.make("docker"), topologies.load(), lambda text: None) as two):
        assert [each.run(scenario).verdict.kind for each in (one, two)] == [VerdictKind.AGREED] * 2
        first, second = one.lab(), two.lab()
        assert not first.topology.network.overlaps(second.topology.network)
        beyond = str(second.topology.machines["dc1"].address)
        ask = ("python3", "-c", f"import socket; socket.create_connection(('{beyond}', 88), 2)")
        assert first.machines["client1"].run(*ask).code != 0
        assert second.machines["client1"].run(*ask).code == 0, "the question itself is a good one"


@pytest.mark.parametrize("machine", ["dc1", "web1", "sql1", "client1"])
def test_a_killed_container_breaks_its_scenario_and_the_next_one_runs_in_a_new_lab(engine, session, scenario, machine):
    assert session.run(scenario).verdict.kind is VerdictKind.AGREED
    first = session.lab()
    engine.containers.get(first.machines[machine].container).kill()
    broken = session.run(scenario).verdict
    assert broken.kind is VerdictKind.BROKEN
    assert f"{machine} died; its last log lines:" in broken.reason
    assert session.run(scenario).verdict.kind is VerdictKind.AGREED
    assert session.lab() is not first


def test_a_start_that_fails_midway_leaves_nothing(engine, monkeypatch):
    whole, labs = provider.Wires.start, set()

    def start(wires, name, topology, from_image):
        labs.add(wires.network.attrs["Labels"][provider.LABEL])
        if name == "sql1":
            raise LabError("sql1 would not start")
        return whole(wires, name, topology, from_image)

    monkeypatch.setattr(provider.Wires, "start", start)
    with pytest.raises(LabError, match="sql1 would not start"), provider.DockerProvider().up(
            topologies.load(), provision, lambda text: None):
        pass
    (lab,) = labs
    assert not of_lab(engine, lab)


def _machines_of(engine, name):
    machines = holder.ask(name)["machines"]
    return [engine.containers.get(next(each for each in argv if each.startswith("doublehop-")))
            for argv in machines.values()]


@pytest.fixture
def victim(holding):
    """A lab held by a process that is going to be killed."""
    with holding("docker") as held:
        yield held


def test_down_all_removes_what_a_killed_run_left_and_nothing_else(engine, session, victim, doublehop):
    process, name = victim
    killed = _machines_of(engine, name)[0].labels[provider.LABEL]
    stranger = engine.networks.create(f"stranger-{os.getpid()}", internal=True, labels={provider.LABEL: "of-another"})
    try:
        standing = lab_of(session.lab().machines["dc1"])
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        assert f"doublehop-{killed}" in everything(engine), "the network outlives its run"
        done = doublehop("down", "--all")
        assert done.returncode == 0, done.stderr
        assert f"removed what a killed run left: docker lab {killed}\n" in done.stdout
        left = everything(engine)
        assert not [each for each in left if killed in each]
        assert stranger.name in left, "another user's lab is not ours to remove"
        assert len([each for each in left if standing in each]) == 6, "a running lab is no leftover"
        assert killed not in claims.abandoned("docker")
    finally:
        stranger.remove()


def test_machines_of_a_killed_run_end_by_themselves(engine, victim, doublehop):
    process, name = victim
    lab = _machines_of(engine, name)[0].labels[provider.LABEL]
    process.send_signal(signal.SIGKILL)
    mine = {"label": f"{provider.LABEL}={lab}"}
    until("the end of every container", 30, lambda: not engine.containers.list(
        all=True, ignore_removed=True, filters=mine) or None)
    assert doublehop("down", "--all").returncode == 0
    assert not [each for each in everything(engine) if lab in each]


def test_a_lab_can_be_entered_by_hand(victim, doublehop):
    _, name = victim
    assert doublehop("exec", "--name", name, "web2", "--", "hostname").stdout == "web2\n"
    asked = doublehop("exec", "--name", name, "client1", "--", "cat", input="words with 'quotes'\n")
    assert asked.stdout == "words with 'quotes'\n"
    assert doublehop("down", "--name", name).returncode == 0


@pytest.mark.parametrize("command", [["run", "constrained::listed"], ["up", "--name=none"]], ids=lambda each: each[0])
def test_no_engine_is_one_sentence_and_exit_2(doublehop, tmp_path, command):
    nowhere = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = doublehop(*command, "--lab=docker", env=nowhere)
    assert done.returncode == 2
    assert done.stderr == (f"doublehop: docker engine missing (nothing answers at unix://{tmp_path}/none.sock), "
                           "try `bin/doublehop setup docker`\n")


def test_postgres_is_a_user_of_its_own_where_there_is_one(session):
    machine = session.lab().machines[session.lab().topology.only(Role.BACK_END)]
    assert set(machine.run("ps", "-C", "postgres", "-o", "user=").stdout.split()) == {"postgres"}


def test_the_image_holds_no_state(engine, session):
    """Nothing of a lab is in a container's own layer but what was put there to start it."""
    container = engine.containers.get(session.lab().machines["web1"].container)
    changed = {each["Path"] for each in container.diff() or []}
    assert not [each for each in changed if not each.startswith(("/opt", "/etc", "/snapshot"))], changed
