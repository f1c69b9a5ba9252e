"""Machines that a `compose.yaml` has started, entered through doors in a folder that all of them share.

It runs in a container beside them, so what a provider otherwise prepares before a machine starts is done afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from doublehop.model import Need, Role
from doublehop.providers import Machine, Progress, Provision, Site
from doublehop.providers.entered import EnteredMachine
from doublehop.topology import Topology

OVERWRITE = "cat >\"$0\""
"""Some of a container's files are the engine's own and can be written, but not replaced."""

MOVE = "cp -a /state/. /snapshot/ && find /state -mindepth 1 -delete"


class ComposedMachine(EnteredMachine):
    """A service of `compose.yaml`."""

    def enter(self, *argv: str) -> Sequence[str]:
        """The command line that runs a program in the machine from any container with the doors."""
        return ["python3", "-m", "doublehop.machine.door", "enter", self.name, *argv]


class ComposedProvider:
    """The machines of `compose.yaml`, all of one domain."""

    name = "compose"
    offers = frozenset(Need) - {Need.TRUST, Need.WINDOWS}

    def check(self) -> Sequence[str]:
        """It only ever runs beside them."""
        return []

    def versions(self, topology: Topology) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Nobody asks."""
        return {}

    def sweep(self) -> Sequence[str]:
        """`docker compose down` removes what it made."""
        return []

    @contextmanager
    def up(self, topology: Topology, provision: Provision, progress: Progress) -> Iterator[Site]:
        """Prepare the machines that are there."""

        def add(asked: Topology) -> dict[str, Machine]:
            machines: dict[str, Machine] = {}
            for name, spec in asked.machines.items():
                machines[name] = machine = ComposedMachine(name, spec.role)
                for path, text in asked.files_for(name).items():
                    machine.run("sh", "-c", OVERWRITE, path, stdin=text, timeout=90).check()
                machine.run("ip", "route", "flush", "default").check()
            for name in (asked.only(Role.DOMAIN_CONTROLLER), asked.only(Role.BACK_END)):
                progress(f"provisioning {name}")
                provision(machines[name], asked)
                machines[name].run("sh", "-c", MOVE).check()
            return machines

        yield Site(topology, add(topology), add)
