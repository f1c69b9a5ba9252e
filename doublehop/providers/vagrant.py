"""The `vagrant` provider: whatever Vagrant makes of the one Vagrantfile, by one of Vagrant's own providers.

Which one is `--lab-vagrant-provider`, or Vagrant's own variable; without either it is docker, which runs anywhere the
lab does. What is in the machines differs (containers with our agents, Windows guests), so that table names who knows.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol

from doublehop.errors import HostError, InputError
from doublehop.model import Need
from doublehop.providers import Progress, Provider, Provision, Site
from doublehop.topology import Topology

CHOICE = "VAGRANT_DEFAULT_PROVIDER"
"""Vagrant's own variable for what it takes where nobody says; the option sets it for this process and its children."""
DEFAULT = "docker"
WINDOWS = "doublehop.providers.vagrant_windows:WindowsGuests"
GUESTS: Mapping[str, str] = {
    "docker": "doublehop.providers.vagrant_docker:Containers",
    "virtualbox": WINDOWS,
    "hyperv": WINDOWS,
    "libvirt": WINDOWS,
    "vmware_desktop": WINDOWS,
}
"""Vagrant's provider to ours that knows what is in its machines."""
REMEDY = "try `bin/doublehop setup vagrant`"


class Guests(Provider, Protocol):
    """Who knows the machines of one of Vagrant's providers."""

    def provision(self, topology: Topology, names: Sequence[str], progress: Progress, *, again: bool) -> None:
        """Provision machines that a `vagrant up` by hand made; all of them when none is named."""


def choose(name: str) -> None:
    """Take one of Vagrant's providers from now on.

    Raises InputError when there is none of that name.
    """
    _known(name, "--lab-vagrant-provider")
    os.environ[CHOICE] = name


def _known(name: str, where: str) -> str:
    if name not in GUESTS:
        raise InputError(where, f"expected one of {', '.join(sorted(GUESTS))}, not {name!r}")
    return name


class VagrantProvider:
    """Asks who knows the machines of the chosen one of Vagrant's providers, once Vagrant itself is there."""

    name = "vagrant"

    def __init__(self) -> None:
        self.kind = _known(os.environ.get(CHOICE) or DEFAULT, CHOICE)

    @property
    def offers(self) -> frozenset[Need]:
        """What those machines can do."""
        return self._guests().offers if not self._lacking() else frozenset(Need)

    def check(self) -> Sequence[str]:
        """What keeps Vagrant from bringing machines up here."""
        return self._lacking() or self._guests().check()

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """What the machines run, as far as it is known."""
        return {} if self._lacking() else self._guests().versions(topology)

    def up(self, topology: Topology, provision: Provision, progress: Progress) -> AbstractContextManager[Site]:
        """Bring every machine up by `vagrant up`; leaving the context destroys them."""
        problems = self.check()
        if problems:
            raise HostError("; ".join(problems))
        return self._guests().up(topology, provision, progress)

    def provision(self, topology: Topology, names: Sequence[str], progress: Progress, *, again: bool) -> None:
        """Provision machines that a `vagrant up` by hand made; all of them when none is named.

        With `again` also those that are what this checkout makes already.
        Raises InputError for a machine or a kind of machines that this is not for, HostError for what is missing.
        """
        for each in names:
            if each not in topology.machines:
                raise InputError(each, f"expected one of {', '.join(topology.machines)}")
        problems = self.check()
        if problems:
            raise HostError("; ".join(problems))
        self._guests().provision(topology, names, progress, again=again)

    def sweep(self) -> Sequence[str]:
        """Remove what killed runs of this user left here."""
        return [] if self._lacking() else self._guests().sweep()

    def _guests(self) -> Guests:
        module, _, attribute = GUESTS[self.kind].partition(":")
        made: Guests = getattr(import_module(module), attribute)(self.kind)
        return made

    def _lacking(self) -> Sequence[str]:
        if shutil.which("vagrant") is None:
            return [f"vagrant missing (no `vagrant` command), {REMEDY}"]
        if importlib.util.find_spec("vagrant") is None:
            return ["python-vagrant missing: run `pip install python-vagrant`"]
        return []
