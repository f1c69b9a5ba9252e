"""Windows guests, which Vagrant makes with virtualbox, hyperv, libvirt or vmware_desktop.

What is missing on this host names itself before anything is made.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from doublehop.providers import Progress, Provision, Site
from doublehop.providers.vagrant_state import plugins
from doublehop.providers.windows_agents import OFFERS
from doublehop.topology import Topology

KERNEL = Path("/proc/version")
WSL_ACCESS = "VAGRANT_WSL_ENABLE_WINDOWS_ACCESS"


def _plugin(name: str, remedy: str) -> str:
    """A sentence about a plugin that is missing, or nothing."""
    return "" if name in plugins() else f"Vagrant's plugin {name} missing: {remedy}"


def _virtualbox() -> str:
    return "" if shutil.which("VBoxManage") else \
        "VirtualBox missing (no `VBoxManage` command): install it from https://www.virtualbox.org/wiki/Linux_Downloads"


def _hyperv() -> str:
    """As Vagrant itself looks for it: this process is a Linux one, so the host is Windows where this is WSL."""
    if "microsoft" not in KERNEL.read_text().lower():
        return "Hyper-V missing: it is a Windows host's; run this in WSL 2 there, or choose virtualbox, libvirt or " \
               "vmware_desktop"
    return "" if os.environ.get(WSL_ACCESS) else \
        f"Hyper-V missing: Vagrant in WSL sees Windows' own only with {WSL_ACCESS}=1 in the environment"


def _libvirt() -> str:
    return _plugin("vagrant-libvirt", "run `apt-get install vagrant-libvirt` as root, or "
                                      "`vagrant plugin install vagrant-libvirt`")


def _vmware_desktop() -> str:
    return _plugin("vagrant-vmware-desktop", "run `vagrant plugin install vagrant-vmware-desktop` and install its "
                                             "utility from https://developer.hashicorp.com/vagrant/install/vmware")


def _guests() -> Any:
    return import_module("doublehop.providers.vagrant_provision")  # which needs what `check` may find missing


MISSING: Mapping[str, Callable[[], str]] = {
    "virtualbox": _virtualbox, "hyperv": _hyperv, "libvirt": _libvirt, "vmware_desktop": _vmware_desktop,
}
"""For each of Vagrant's providers, what it lacks here; nothing when it is ready."""


class WindowsGuests:
    """Windows machines of one of Vagrant's providers."""

    name = "vagrant"
    offers = OFFERS

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def check(self) -> Sequence[str]:
        """What keeps these guests from being made here."""
        lacking = [each for each in ("pypsrp", "ldap3") if importlib.util.find_spec(each) is None]
        python = [f"{' and '.join(lacking)} missing: run `pip install 'doublehop[windows]'`"] if lacking else []
        missing = MISSING[self.kind]()
        return [*([missing] if missing else []), *python]

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """The Windows that the topology chooses."""
        return {"Windows Server": topology.windows.server, "Windows": topology.windows.client}

    @contextmanager
    def up(self, topology: Topology, provision: Provision,  # noqa: ARG002 - Windows is provisioned by its own scripts
           progress: Progress) -> Iterator[Site]:
        """Bring the guests up, provision them where they are not yet, and speak WinRM with them; they stay."""
        with _guests().standing_by(self.kind, topology, progress) as site:
            yield site

    def provision(self, topology: Topology, names: Sequence[str], progress: Progress, *, again: bool) -> None:
        """Provision guests that are up; Vagrant asks for it."""
        _guests().provision_by_hand(self.kind, topology, names, progress, again=again)

    def sweep(self) -> Sequence[str]:
        """Guests stay until `vagrant destroy`: making one takes an hour."""
        return []
