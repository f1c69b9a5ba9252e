"""The `docker` provider: every machine is a container of one image, on a private network of the lab's own.

Docker's interface makes and removes things; programs inside are spoken to through `docker exec`. A machine's
first program reads the standard input that this process holds, so it ends when this process does, and the
engine removes it then. The network it leaves is found by `sweep`. Nothing is published, no container is
privileged, and the network leads nowhere: not even this host has an address on it.
"""

import getpass
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import EndpointConfig, IPAMConfig, IPAMPool, NetworkingConfig

from doublehop import cache
from doublehop.errors import HostError, LabError
from doublehop.model import Need, Role
from doublehop.providers import Machine, Progress, Provision, Site, claims, image
from doublehop.providers.docker_image import machine_image, shown_versions, snapshot_image
from doublehop.providers.entered import EnteredMachine
from doublehop.providers.image import ENVIRONMENT, PACKAGE, WRITABLE
from doublehop.run import Conversation
from doublehop.topology import NETWORKS, Topology

LABEL = "doublehop.lab"
"""On everything a lab makes; its value is the lab's id."""
REMEDY = "try `bin/doublehop setup docker`"
DEFAULT_HOST = "unix:///var/run/docker.sock"
CAPABILITIES = {
    "NET_ADMIN": "a machine sets its own address and loses its way to the domain controller when a scenario says so",
    "SETUID": "PostgreSQL refuses to be root",
    "SETGID": "the same for its group",
    "CHOWN": "PostgreSQL's files belong to its user",
    "DAC_OVERRIDE": "root copies PostgreSQL's files and writes into its folder",
    "FOWNER": "root copies PostgreSQL's files with their modes once the database is provisioned",
}
"""All that a container may do beyond an ordinary process, and why; the rest of Docker's own set is dropped."""
SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0"}
"""Anybody may listen on the container's low ports, which is no capability then; some engines have it so anyway."""
OWN_FILES = "for each in hosts resolv.conf krb5.conf; do cat /opt/doublehop/etc/$each >/etc/$each; done; " \
            "ip route flush default"
"""Puts files in place that the engine wants to own, and takes away a route to a gateway that nobody is."""
FIRST_PROGRAM = f"{OWN_FILES}; echo ready; cat >/dev/null; exit"
"""It says that the machine is there, and stays as long as its standard input."""
SECONDS_TO_START = 30


class DockerMachine(EnteredMachine):
    """A container, entered by `docker exec`."""

    def __init__(self, name: str, role: Role, container: str) -> None:
        super().__init__(name, role)
        self.container = container

    def piped(self, *argv: str) -> Sequence[str]:
        """The host's command line for a program in the machine that has no terminal."""
        return [*_command(), "exec", "--interactive", self.container, *argv]

    def enter(self, *argv: str) -> Sequence[str]:
        """The same with the caller's terminal, if it has one by then."""
        ask = 'if [ -t 0 ] && [ -t 1 ]; then tty=--tty; else tty=; fi; command=$1; shift; exec "$command" "$@"'
        program, *rest = _command()
        script = ask.replace('"$@"', " ".join(f"'{each}'" for each in rest) + ' exec --interactive $tty "$@"')
        return ["sh", "-c", script, "sh", program, self.container, *argv]


class DockerProvider:
    """Machines as containers of Docker, or of Podman behind its compatible socket (`DOCKER_HOST`)."""

    name = "docker"
    offers = frozenset(Need) - {Need.WINDOWS}

    def check(self) -> Sequence[str]:
        """What keeps containers from being started here."""
        if shutil.which("docker") is None:
            return [f"docker engine missing (no `docker` command), {REMEDY}"]
        try:
            with _engine():
                return []
        except HostError as failure:
            return [str(failure)]

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """What the image has of the programs that matter, once it is built."""
        return image.versions(topology, shown_versions)

    @contextmanager
    def up(self, topology: Topology, provision: Provision, progress: Progress) -> Iterator[Site]:
        """Bring every machine up; the first time this builds the image and provisions the domain."""
        problems = self.check()
        if problems:
            raise HostError("; ".join(problems))
        with _engine() as engine, ExitStack() as stack:
            with _told():
                roots = {spec: machine_image(engine, spec, progress)
                         for spec in (topology.image, topology.dc_image) if spec}
                network, own = stack.enter_context(_network(engine, topology, self.name))
                wires = self.wires(engine, network, stack)

            def add(asked: Topology) -> dict[str, Machine]:
                images = {name: roots[asked.image_of(name)] for name in asked.machines}
                with _told():
                    for name in (asked.only(Role.DOMAIN_CONTROLLER), asked.only(Role.BACK_END)):
                        images[name] = _snapshot(wires, images[name], asked, name, provision, progress)
                    return wires.started(asked, images)

            yield Site(own, add(own), add)

    def wires(self, engine: docker.DockerClient, network: Network, stack: ExitStack) -> "Wires":
        """Who starts this lab's containers."""
        return Wires(engine, network, stack)

    def sweep(self) -> Sequence[str]:
        """Remove the containers and networks of this user's killed runs."""
        gone = claims.abandoned(self.name)
        if not gone:
            return []
        with _engine() as engine, _told():
            for lab in gone:
                _remove(engine, lab)
                claims.forget(self.name, lab)
        return gone


def engine_host() -> str:
    """The engine that is spoken to."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def _command() -> list[str]:
    """The `docker` command, speaking to the engine that the library speaks to."""
    return ["docker", "--host", engine_host()]


@contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    """The engine.

    Raises HostError when none answers.
    """
    where = engine_host()
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, OSError) as failure:
        if "Permission denied" in str(failure):
            raise HostError(f"you may not use the docker engine at {where}: as root, run `usermod --append --groups "
                            f"docker {getpass.getuser()}` and log in again") from failure
        raise HostError(f"docker engine missing (nothing answers at {where}), {REMEDY}") from failure
    with closing(client):
        yield client


@contextmanager
def _told() -> Iterator[None]:
    """What the engine refuses is a failure of the lab, in the engine's words."""
    try:
        yield
    except (DockerException, OSError) as failure:
        raise LabError(f"the docker engine: {failure}") from failure


@contextmanager
def _network(engine: docker.DockerClient, topology: Topology, provider: str) -> Iterator[tuple[Network, Topology]]:
    """A network of the lab's own, on the topology's addresses or the next that no other lab has."""
    with claims.claimed(provider) as lab:
        try:
            for number in range(NETWORKS):
                own = topology.beside(number)
                network = _network_at(engine, lab, own.network)
                if network is not None:
                    yield network, own
                    return
            raise LabError(f"{NETWORKS} networks from {topology.network} on are taken: `doublehop down --all` removes "
                           "those of killed runs")
        finally:
            with _told():
                _remove(engine, lab)
            claims.forget(provider, lab)


def _network_at(engine: docker.DockerClient, lab: str, subnet: IPv4Network) -> Network | None:
    """A network that leads nowhere, or nothing where these addresses are taken."""
    try:
        return engine.networks.create(
            f"doublehop-{lab}", driver="bridge", internal=True, labels={LABEL: lab}, attachable=False,
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
            options={"com.docker.network.bridge.inhibit_ipv4": "true"},
        )
    except APIError as failure:
        if any(each in str(failure).lower() for each in ("overlap", "already used", "in use")):
            return None
        raise


def _remove(engine: docker.DockerClient, lab: str) -> None:
    """Remove everything of one lab that is still there."""
    mine = {"label": f"{LABEL}={lab}"}
    # Sparse: nothing is asked about each of them, which may be gone by then.
    containers = engine.containers.list(all=True, filters=mine, sparse=True)
    with ThreadPoolExecutor(len(containers) or 1) as pool:
        for each in [pool.submit(_end, each) for each in containers]:
            each.result()
    for network in engine.networks.list(filters=mine):
        with suppress(NotFound):
            network.remove()


def _end(container: Container) -> None:
    """Remove a container; the engine may be removing it at this moment."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError:  # which Docker calls a conflict, and Podman an internal error
        with suppress(NotFound):
            container.wait(condition="removed", timeout=SECONDS_TO_START)


def _snapshot(wires: "Wires", root: str, topology: Topology, name: str, provision: Provision,
              progress: Progress) -> str:
    """The image that a machine starts from: made once by its own agent, in a container of its own."""
    key = image.snapshot_key(root, topology, name)

    def build() -> Container:
        progress(f"provisioning {name} (once, a few seconds)")
        machine, container = wires.start(name, topology, root)
        provision(machine, topology)
        machine.run("cp", "-a", "/state/.", "/snapshot/").check()
        return container

    with cache.locked(cache.folder() / f"docker-{key}.lock"):
        return snapshot_image(wires.engine, key, build, _end)


@dataclass(frozen=True, slots=True)
class Wires:
    """A lab's network, and what is taken down with it."""

    engine: docker.DockerClient
    network: Network
    stack: ExitStack

    @property
    def lab(self) -> str:
        """The lab's id."""
        return str(self.network.attrs["Labels"][LABEL])

    def started(self, topology: Topology, images: Mapping[str, str]) -> dict[str, Machine]:
        """Start every machine of a topology side by side."""
        with ThreadPoolExecutor(len(images)) as pool:
            starting = {name: pool.submit(self.start, name, topology, each) for name, each in images.items()}
        return {name: each.result()[0] for name, each in starting.items()}

    def start(self, name: str, topology: Topology, from_image: str) -> tuple[DockerMachine, Container]:
        """Start one machine; the lab's end is its end."""
        lab = self.lab
        spec = topology.machines[name]
        api = self.engine.api
        made = api.create_container(
            from_image, name=f"doublehop-{lab}-{name}", hostname=name, labels={LABEL: lab}, environment=ENVIRONMENT,
            command=["sh", "-c", FIRST_PROGRAM], stdin_open=True,
            host_config=api.create_host_config(
                auto_remove=True, cap_drop=["ALL"], cap_add=list(CAPABILITIES), sysctls=SYSCTLS,
                network_mode=self.network.name, security_opt=["no-new-privileges"],
                tmpfs=WRITABLE,
            ),
            networking_config=NetworkingConfig(
                {self.network.name: EndpointConfig(api.api_version, ipv4_address=str(spec.address))}),
        )
        container = self.engine.containers.get(made["Id"])
        furnish(container, topology, name)
        first = Conversation([*_command(), "start", "--attach", "--interactive", container.id])
        self.stack.callback(first.kill)
        if first.receive(SECONDS_TO_START) is None:
            raise LabError(f"{name} did not start: " + "\n".join(first.log()))
        return DockerMachine(name, spec.role, container.name), container


def furnish(container: Container, topology: Topology, name: str) -> None:
    """Put our code into a machine, and what its own files are to say."""
    container.put_archive("/opt/doublehop", _files(topology.files_for(name)))


def _files(texts: Mapping[str, str]) -> bytes:
    """Our code for /opt/doublehop, and under etc/ what the machine's own files are to say."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(PACKAGE, "doublehop", filter=_without_waste)
        for path, text in texts.items():
            entry = tarfile.TarInfo(path.removeprefix("/"))
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _without_waste(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """No compiled files and no data, and nothing of who owns them here."""
    if {"__pycache__", "_data"} & set(entry.name.split("/")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
