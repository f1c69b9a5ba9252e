"""The parts of the docker provider that need no engine."""

import fcntl
import io
import ipaddress
import os
import re
import shutil
import tarfile
from contextlib import nullcontext

import docker
import pytest
from docker.errors import APIError, DockerException, ImageNotFound

from doublehop import providers, setup
from doublehop.data import LAB
from doublehop.errors import HostError, LabError
from doublehop.machine.agent import maps_user
from doublehop.model import Role
from doublehop.providers import claims, docker_image, image
from doublehop.providers import docker as provider
from doublehop.run import CommandResult


def test_a_topology_moves_with_all_its_addresses(topology):
    moved = topology.moved_to(ipaddress.IPv4Network("10.93.5.0/24"))
    assert str(moved.machines["dc1"].address) == "10.93.5.10"
    assert str(moved.partner.machines["sql2"].address) == "10.93.5.32"
    assert str(moved.across.network) == "10.93.5.0/24"
    assert "kdc = 10.93.5.10\n" in moved.files_for("web1")["/etc/krb5.conf"]
    assert topology.moved_to(topology.network) == topology


def test_a_moved_topology_starts_from_a_state_of_its_own(topology):
    moved = topology.moved_to(ipaddress.IPv4Network("10.93.5.0/24"))
    assert image.snapshot_key("i", topology, "dc1") != image.snapshot_key("i", moved, "dc1")


@pytest.mark.parametrize(("changed", "anew"), [
    ("domain.py", {"dc1"}), ("sql.py", {"sql1"}), ("dc.py", set()),
])
def test_a_state_is_made_anew_when_what_makes_it_changes(topology, monkeypatch, tmp_path, changed, anew):
    (tmp_path / "machine").mkdir()
    monkeypatch.setattr(image, "PACKAGE", tmp_path)
    for name in ("domain.py", "sql.py", "dc.py"):
        (tmp_path / "machine" / name).write_text("before")
    before = {name: image.snapshot_key("i", topology, name) for name in ("dc1", "sql1")}
    (tmp_path / "machine" / changed).write_text("after")
    assert {name for name in before if image.snapshot_key("i", topology, name) != before[name]} == anew


@pytest.mark.parametrize(("table", "known"), [
    ("         0          0 4294967295\n", True), ("         0       1000          1\n", False),
    ("0 1000 1\n1 100000 65536\n", True), ("", False),
])
def test_a_machine_knows_the_users_it_maps(tmp_path, table, known):
    path = tmp_path / "uid_map"
    path.write_text(table)
    assert maps_user(101, path) is known


def test_what_is_put_into_a_container_is_code_and_files_of_root():
    with tarfile.open(fileobj=io.BytesIO(provider._files({"/etc/hosts": "127.0.0.1 localhost\n"}))) as archive:
        names = archive.getnames()
        assert {"doublehop/machine/dc.py", "etc/hosts"} <= set(names)
        assert not [each for each in names if "__pycache__" in each]
        assert {(each.uid, each.gid, each.uname) for each in archive if each.name != "etc/hosts"} == {(0, 0, "root")}
        hosts = archive.extractfile("etc/hosts")
        assert hosts is not None and hosts.read() == b"127.0.0.1 localhost\n"


def test_no_capability_rules_the_host():
    assert not {"SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "ALL"} & set(provider.CAPABILITIES)
    assert all(provider.CAPABILITIES.values()), "each says why"


def test_the_way_in_names_engine_and_container(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/podman/podman.sock")
    machine = provider.DockerMachine("web1", Role.FRONT_END, "doublehop-1-web1")
    engine = ["docker", "--host", "unix:///run/podman/podman.sock"]
    assert machine.piped("id") == [*engine, "exec", "--interactive", "doublehop-1-web1", "id"]
    assert [*machine.enter("a b", "c")][-3:] == ["doublehop-1-web1", "a b", "c"]


def test_the_dockerfile_takes_base_and_packages_from_the_one_place():
    text = (LAB / "docker" / "Dockerfile").read_text()
    assert "ARG BASE=" in text and "FROM ${BASE}" in text
    assert "COPY image/packages.txt" in text
    assert "samba" not in text.replace("/etc/samba", "")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "doublehop" / "labs" / "docker"


def test_a_lab_is_a_leftover_once_its_run_has_ended(shelf):
    with claims.claimed("docker") as lab:
        assert claims.abandoned("docker") == []
    assert claims.abandoned("docker") == [lab], "nobody said that nothing is left"
    claims.forget("docker", lab)
    assert claims.abandoned("docker") == []


def test_another_runs_lab_is_no_leftover(shelf):
    shelf.mkdir(parents=True)
    with (shelf / "abc").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert claims.abandoned("docker") == []


class Host:
    """A host on which commands are noted and an engine may come up."""

    def __init__(self, programs=(), packages=("docker.io", "docker-cli"), root=True, sudo=False, compose=True,
                 limited=False):
        self.programs, self.packages, self.root, self.sudo = set(programs), packages, root, sudo
        self.compose, self.limited = compose, limited
        self.up, self.done = False, []

    def run(self, argv, **_):
        if argv[0] == "apt-cache":
            known = argv[-1] in self.packages
            return self._came(0, f"{argv[-1]}:\n  Candidate: 1\n" if known else "")
        if argv[:2] == ["docker", "compose"]:
            return self._came(0 if self.compose else 1)
        self.done.append(" ".join(argv))
        if argv[:2] == ["sudo", "-n"] and argv[2] == "true":
            return self._came(0 if self.sudo else 1)
        if "install" in argv:
            self.programs |= {"mcs", "xsp4"} if "mono-mcs" in argv else {"dockerd", "docker"}
        if self.limited and {"service", "systemctl"} & {*argv}:
            return CommandResult(argv=tuple(argv), code=2, stdout="", stderr="ulimit: error setting limit")
        if {"start", "--start"} & {*argv}:
            self.up = "dockerd" in self.programs
        return self._came(0)

    def _came(self, code, out=""):
        return CommandResult(argv=(), code=code, stdout=out, stderr="")

    def check(self):
        return [] if self.up and "docker" in self.programs else ["docker engine missing (nothing answers), try it"]


@pytest.fixture
def on(monkeypatch, tmp_path):
    def be(host, systemd=False):
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setattr(setup, "run", host.run)
        monkeypatch.setattr(setup, "_found", lambda each: f"/usr/sbin/{each}" if each in host.programs or (
            host.sudo and each == "sudo") else None)
        monkeypatch.setattr(os, "getuid", lambda: 0 if host.root else 1000)
        monkeypatch.setattr(setup, "SYSTEMD", tmp_path if systemd else tmp_path / "none")
        monkeypatch.setattr(providers, "make", lambda name: host)
        return host

    return be


def nothing(text):
    pass


def test_a_tool_that_is_ready_is_left_alone(on):
    host = on(Host({"docker", "dockerd"}))
    host.up = True
    assert setup.set_up("docker", nothing) == "docker: ready already"
    assert host.done == []


def test_setup_installs_and_starts_the_engine(on):
    host = on(Host())
    assert setup.set_up("docker", nothing) == "docker: installed docker-cli, docker.io and started its service"
    assert host.done[-1] == "service docker start"
    assert "apt-get install --yes --no-install-recommends docker-cli docker.io" in host.done[1]


def test_where_the_services_script_may_not_raise_limits_its_daemon_is_started(on):
    host = on(Host(limited=True))
    assert setup.set_up("docker", nothing).endswith(" and started its service")
    assert host.done[-1] == ("start-stop-daemon --start --background --output /var/log/docker.log"
                             " --exec /usr/sbin/dockerd")


def test_what_systemd_does_not_start_nobody_starts(on):
    host = on(Host(limited=True), systemd=True)
    with pytest.raises(LabError, match="systemctl start docker ended with 2"):
        setup.set_up("docker", nothing)
    assert host.done[-1] == "systemctl start docker"


def test_setup_takes_the_package_that_an_older_release_has(on):
    host = on(Host(packages=["docker.io"]), systemd=True)
    assert setup.set_up("docker", nothing) == "docker: installed docker.io and started its service"
    assert host.done[-1] == "systemctl start docker"


def test_setup_uses_sudo_where_it_asks_for_nothing(on):
    host = on(Host(root=False, sudo=True))
    setup.set_up("docker", nothing)
    assert host.done[-1] == "sudo -n service docker start"


def test_without_root_setup_says_the_command(on):
    host = on(Host(root=False))
    with pytest.raises(HostError, match=r"As root, run:  apt-get update && apt-get install --yes .*docker\.io"):
        setup.set_up("docker", nothing)
    assert host.done == []


def test_setup_brings_the_compose_program_to_an_engine_that_is_ready(on):
    host = on(Host({"docker", "dockerd"}, packages=["docker-compose"], compose=False))
    host.up = True
    assert setup.set_up("docker", nothing) == "docker: installed docker-compose"


@pytest.mark.parametrize(("host", "why"), [
    (Host({"docker", "dockerd"}, packages=[], compose=False), "no package docker-compose: docker is ready without it"),
    (Host({"docker", "dockerd"}, root=False, compose=False), "As root, run:  apt-get update && apt-get install .* "
                                                             "docker-compose"),
], ids=["no package", "no root"])
def test_an_engine_is_ready_without_the_compose_program(on, host, why):
    on(host).up = True
    assert re.fullmatch(rf"docker: ready, but for docker compose \(.*{why}\)", setup.set_up("docker", nothing))


def test_an_engine_that_is_named_elsewhere_is_not_started(on, monkeypatch):
    host = on(Host({"docker"}))
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine:2375")
    with pytest.raises(HostError, match="DOCKER_HOST names it"):
        setup.set_up("docker", nothing)
    assert host.done == []


def test_setup_installs_what_runs_the_aspnet_page_and_starts_nothing(on):
    host = on(Host(packages=("mono-mcs", "mono-xsp4")))
    assert setup.set_up("aspnet", nothing) == "aspnet: installed mono-mcs, mono-xsp4"
    assert host.done[-1].endswith("mono-mcs mono-xsp4")
    assert setup.set_up("aspnet", nothing) == "aspnet: ready already"


def test_a_release_without_monos_aspnet_is_told_so_and_nothing_is_installed(on):
    host = on(Host(packages=("mono-mcs",)))
    with pytest.raises(HostError, match="no package mono-xsp4: Debian 12 is the last"):
        setup.set_up("aspnet", nothing)
    assert not any("install" in each for each in host.done)


class NoRegistry:
    """An engine without images, from which no registry is reached; it notes what is asked of it."""

    def __init__(self):
        self.images = self.api = self
        self.asked = []

    def get(self, tag):
        raise ImageNotFound(tag)

    def pull(self, *name, **tag):
        raise APIError("no such host")

    def import_image_from_stream(self, stream):
        self.asked.append("import")
        return '{"status":"Downloading"}\n{"status":"sha256:abc"}\n'

    def tag(self, made, repository, tag):
        self.asked.append(f"{made} is {repository}:{tag}")


def test_without_registry_and_mmdebstrap_nothing_is_made_and_the_remedy_is_told(topology, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda program: None)
    engine = NoRegistry()
    with pytest.raises(HostError, match=r"no image registry answers.* run `apt-get install mmdebstrap` as root"):
        docker_image._base(engine, topology.image, nothing)
    assert engine.asked == []


def test_an_imported_base_gets_its_name_afterwards(topology, monkeypatch, tmp_path):
    monkeypatch.setattr(image, "path", lambda spec: tmp_path)
    monkeypatch.setattr(image, "built", lambda spec, progress: tmp_path)
    monkeypatch.setattr(image, "as_tar", lambda root: nullcontext(io.BytesIO()))
    engine = NoRegistry()
    name = docker_image._base(engine, topology.image, nothing)
    assert engine.asked == ["import", f"sha256:abc is {name}"]


def test_a_user_who_may_not_use_the_engine_is_told_the_group(monkeypatch):
    def refused():
        raise DockerException("Error while fetching server API version: ('Connection aborted.', "
                              "PermissionError(13, 'Permission denied'))")

    monkeypatch.setattr(docker, "from_env", refused)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    (problem,) = provider.DockerProvider().check()
    assert problem.startswith("you may not use the docker engine at ")
    assert "usermod --append --groups docker " in problem
