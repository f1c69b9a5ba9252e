"""Machines that Vagrant makes with its docker provider: the docker lab, but `vagrant up` starts the containers.

Image, network, provisioned state and the way into a machine are the docker lab's own. A container of Vagrant's lives
until it is destroyed, so a killed run leaves them running, and `sweep` finds them by the lab's id.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.models.networks import Network

from doublehop import cache
from doublehop.errors import HostError, InputError, LabError
from doublehop.providers import Machine, Progress
from doublehop.providers.docker import OWN_FILES, DockerMachine, DockerProvider, Wires, engine_host, furnish
from doublehop.providers.vagrant_state import State
from doublehop.topology import Topology


class Containers(DockerProvider):
    """The docker lab with Vagrant between it and the engine."""

    name = "vagrant"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def wires(self, engine: docker.DockerClient, network: Network, stack: ExitStack) -> Wires:
        """Vagrant starts this lab's containers, but for those that the first state is made in."""
        return VagrantWires(engine, network, stack, stack.enter_context(_state(network)), self.kind)

    def provision(self, topology: Topology, names: Sequence[str], progress: Progress,  # noqa: ARG002 - the protocol's
                  *, again: bool) -> None:  # noqa: ARG002
        """Refuse: a `vagrant up` of containers leaves a scenario standing by itself."""
        raise InputError("--lab-vagrant-provider", f"{self.kind} has no guests to provision; `vagrant up` does it all")

    def sweep(self) -> Sequence[str]:
        """Remove the containers, networks and folders of this user's killed runs."""
        gone = super().sweep()
        for lab in gone:
            shutil.rmtree(_folder(lab), ignore_errors=True)
        return gone


@dataclass(frozen=True, slots=True)
class VagrantWires(Wires):
    """A lab's network, on which Vagrant starts the machines."""

    state: State
    kind: str

    def started(self, topology: Topology, images: Mapping[str, str]) -> dict[str, Machine]:
        """Have Vagrant bring every machine of a topology up, and make each ready for its agent."""
        self.state.options.update({
            "DOCKER_HOST": engine_host(), "DOUBLEHOP_LINUX_LAB": self.lab,
            "DOUBLEHOP_LINUX_NETWORK": str(topology.network),
            **{f"DOUBLEHOP_LINUX_{name.upper()}_IMAGE": each for name, each in images.items()},
        })
        self.state.up(*images, provider=self.kind)
        with ThreadPoolExecutor(len(images)) as pool:
            ready = {name: pool.submit(self._ready, topology, name) for name in images}
        return {name: each.result() for name, each in ready.items()}

    def _ready(self, topology: Topology, name: str) -> Machine:
        container = self.engine.containers.get(f"{self.network.name}-{name}")
        furnish(container, topology, name)
        machine = DockerMachine(name, topology.machines[name].role, container.name)
        machine.run("sh", "-c", OWN_FILES).check()
        return machine


def _folder(lab: str) -> Path:
    return cache.folder() / "vagrant" / lab


@contextmanager
def _state(network: Network) -> Iterator[State]:
    """What Vagrant knows of the lab on this network; leaving the context destroys the machines and forgets them."""
    folder = _folder(network.name.removeprefix("doublehop-"))
    folder.mkdir(mode=0o700, parents=True)
    state = State(folder, {})
    try:
        yield state
    finally:
        with suppress(LabError, HostError):  # what Vagrant cannot remove goes with its network, by the lab's id
            state.destroy()
        shutil.rmtree(folder, ignore_errors=True)
