"""An environment that already stands: nothing is brought up but one client machine, beside it.

That machine is the lab's own image in namespaces of its own, but on this host's network. It has its own `krb5.conf`,
credential caches in memory and none of this host's files, so nothing of whoever runs it is used or touched.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from doublehop.errors import HostError
from doublehop.inventory import Inventory
from doublehop.model import Need, Role
from doublehop.providers import Machine, Progress, Provision, Site, image
from doublehop.providers.entered import EnteredMachine
from doublehop.providers.image import ENVIRONMENT, PACKAGE, WRITABLE
from doublehop.providers.local import LocalProvider, tool
from doublehop.topology import Topology, template

NOTHING_TO_START = ("an existing environment is never brought up or changed: run scenarios against it with "
                    "`doublehop run --lab=existing --lab-inventory FILE` (docs/existing.md)")
TO_BE_DONE = frozenset({Need.CLIENT_NETWORK, Need.NETWORK, Need.CLOCKS, Need.TRUST})
SEEN_TO_HOLD = frozenset(Need) - TO_BE_DONE - {Need.WINDOWS, Need.DOTNET}
"""What may be found there, or is the client's own; the rest would have to be done to it, or is not to be seen."""
AUTHORITIES = {"/run/authorities.pem": "ldap_ca", "/run/authority.pem": "front_end_ca"}
"""Where the visitor and the client that it is made of look for these files of the inventory."""


class ExistingProvider:
    """Nothing of its own but a client; without an inventory not even that."""

    name = "existing"
    offers = SEEN_TO_HOLD

    def __init__(self, inventory: Inventory | None = None) -> None:
        self.inventory = inventory

    def check(self) -> Sequence[str]:
        """What keeps the client from running here."""
        return [NOTHING_TO_START] if self.inventory is None else LocalProvider().check()

    def versions(self, topology: Topology) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Whose environment it is."""
        return {} if self.inventory is None else {"domain": self.inventory.domain.realm,
                                                  "controller": self.inventory.domain.kdc}

    def sweep(self) -> Sequence[str]:
        """The kernel ends the client with its run, so nothing is ever left."""
        return []

    def up(self, topology: Topology, provision: Provision,  # noqa: ARG002 - the protocol's
           progress: Progress) -> AbstractContextManager[Site]:  # noqa: ARG002 - the protocol's
        """Refused: there is nothing to bring up."""
        raise HostError(NOTHING_TO_START)


class Visitor(EnteredMachine):
    """The client: each program that is run in it has the machine to itself, and takes it with it."""

    def __init__(self, name: str, root: Path, files: Mapping[str, Path]) -> None:
        super().__init__(name, Role.CLIENT)
        self._root = root
        self._files = files

    def enter(self, *argv: str) -> Sequence[str]:
        """The host's command line for a program in the machine."""
        return [
            tool("bwrap"), "--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-ipc",
            "--unshare-uts", "--hostname", self.name, "--ro-bind", str(self._root), "/", "--dev", "/dev",
            "--proc", "/proc", *(part for each in WRITABLE for part in ("--tmpfs", each)),
            *(part for path, file in self._files.items() for part in ("--ro-bind", str(file), path)),
            "--ro-bind", str(PACKAGE), "/opt/doublehop/doublehop", "--die-with-parent", "--new-session",
            "--chdir", "/", "--clearenv", *(part for pair in ENVIRONMENT.items() for part in ("--setenv", *pair)),
            *argv,
        ]


@contextmanager
def visitor(name: str, inventory: Inventory, beside: Path, topology: Topology, progress: Progress) -> Iterator[Machine]:
    """The client machine; `beside` is the folder that the inventory's own files are named from."""
    root = image.built(topology.image, progress)
    domain = inventory.domain
    with tempfile.TemporaryDirectory(prefix="doublehop-") as folder:  # 0700, and nothing in it is secret
        def written(label: str, text: str) -> Path:
            path = Path(folder) / label
            path.write_text(text)
            return path

        values = {"realm": domain.realm, "dns": domain.realm.lower(), "kdc": domain.kdc}
        files = {"/etc/krb5.conf": written("krb5.conf", template("krb5-existing.conf", values)),
                 "/etc/hostname": written("hostname", f"{name}\n")}
        if domain.name_server:
            asked = f"nameserver {domain.name_server}\noptions timeout:2 attempts:2\n"
            files["/etc/resolv.conf"] = written("resolv.conf", asked)
            files["/etc/hosts"] = written("hosts", "127.0.0.1 localhost\n")
        else:
            for path in ("/etc/resolv.conf", "/etc/hosts"):
                files[path] = written(Path(path).name, Path(path).read_text())
        for path, file in AUTHORITIES.items():
            if getattr(domain, file):
                files[path] = beside / getattr(domain, file)
        yield Visitor(name, root, files)
