"""Providers bring machines up; each is one file, and this table is all that names them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from doublehop.errors import InputError
from doublehop.model import Need, Role
from doublehop.run import CommandResult, DuplexStream
from doublehop.topology import Topology

Progress = Callable[[str], None]
"""Called with one short line whenever a long step begins."""


class Machine(Protocol):
    """One running machine of a lab."""

    name: str
    role: Role

    def run(self, *argv: str, stdin: str = "", timeout: float = 30) -> CommandResult:
        """Run a program in the machine to its end."""

    def open(self, *argv: str) -> DuplexStream:
        """Start a program in the machine that is spoken to in lines."""

    def enter(self, *argv: str) -> Sequence[str]:
        """The host's command line that runs a program in the machine with the caller's terminal."""

    def fetch(self, path: str) -> bytes:
        """The content of a file in the machine."""


Provision = Callable[[Machine, Topology], None]
"""Makes, inside a machine, the state that its like will start from."""


@dataclass(frozen=True, slots=True)
class Site:
    """The machines of a running lab; `add` starts those of a further topology on the same network.

    Its own topology may have other addresses than the one asked for, where these are taken. What is added lives as
    long as the rest. Where machines keep logs, their agents tell by `logged` what is in them since the scenario's
    configuration stood.
    """

    topology: Topology
    machines: Mapping[str, Machine]
    add: Callable[[Topology], Mapping[str, Machine]]
    keeps_logs: bool = False


class Provider(Protocol):
    """A way to bring the machines of a topology up."""

    name: str
    offers: frozenset[Need]

    def check(self) -> Sequence[str]:
        """Reasons why it cannot run here, each with a remedy; none when it is ready."""

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """What the machines run, as far as it is known before they do, for the header of a run."""

    def up(self, topology: Topology, provision: Provision,
           progress: Progress) -> AbstractContextManager[Site]:
        """Bring every machine up; leaving the context removes all of it."""

    def sweep(self) -> Sequence[str]:
        """Remove what killed runs of this user left here, and nothing else; gives the names of their labs."""


PROVIDERS: Mapping[str, str] = {
    "local": "doublehop.providers.local:LocalProvider",
    "docker": "doublehop.providers.docker:DockerProvider",
    "vagrant": "doublehop.providers.vagrant:VagrantProvider",
    "existing": "doublehop.providers.existing:ExistingProvider",
    "fake": "doublehop.providers.fake:FakeProvider",
}
"""Name to constructor, imported when asked for: a provider's own dependencies are its own matter."""


def make(name: str) -> Provider:
    """The provider of a name.

    Raises InputError when there is none.
    """
    if name not in PROVIDERS:
        raise InputError("--lab", f"expected one of {', '.join(sorted(PROVIDERS))}, not {name!r}")
    module, _, attribute = PROVIDERS[name].partition(":")
    provider: Provider = getattr(import_module(module), attribute)()
    return provider
