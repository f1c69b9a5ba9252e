"""Brings the Windows guests of Vagrant to what the topology says, and says where they answer.

Vagrant calls it, by `doublehop provision`, as a provisioner of its own (`vagrant up`, `vagrant provision`); a lab of
ours brings the guests up without that, and does here what is left to do. Guests stay until `vagrant destroy`, because
making them takes an hour.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from doublehop import cache
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, InputError
from doublehop.model import Role
from doublehop.providers import Progress, Site, vagrant_machines
from doublehop.providers.authority import Authority
from doublehop.providers.vagrant_guests import guests_of
from doublehop.providers.vagrant_kept import Kept, Mark, dotfile
from doublehop.providers.windows import Access, standing
from doublehop.providers.windows_provision import Hands, provisioned
from doublehop.providers.windows_scripts import files
from doublehop.providers.winrm import HTTPS_PORT, Account, Endpoint
from doublehop.topology import Topology

LDAPS_PORT = 636
DESCRIBED = vagrant_machines.PATH
OPTIONS = LAB / "vagrant" / "options.json"
SQL_OPTION = "DOUBLEHOP_WINDOWS_SQL"
REMAKE = "run python -m doublehop.providers.vagrant_machines > lab/vagrant/machines.json"
REWRITE = "write one object of options, or remove it"


def _object(path: Path, remedy: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise InputError(str(path), f"{failure}; {remedy}") from failure
    if not isinstance(found, dict):
        raise InputError(str(path), f"expected a JSON object; {remedy}")
    return found


def described() -> Mapping[str, Any]:
    """The generated topology file.

    Raises InputError when it is not there or has another shape than what is made of the topology.
    """
    found = _object(DESCRIBED, REMAKE)
    problem = vagrant_machines.misshapen(found, topologies.load())
    if problem:
        raise InputError(str(DESCRIBED), f"{problem}; {REMAKE}")
    return found


def with_options(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with the edition of SQL Server that the user's options choose.

    All other options are the Vagrantfile's, which refuses a wrong one. Raises InputError when their file is damaged, or
    there is no such edition.
    """
    options = _object(OPTIONS, REWRITE) if OPTIONS.exists() else {}
    windows = described["windows"]
    chosen = os.environ.get(SQL_OPTION) or options.get(SQL_OPTION) or windows["sql"]
    if chosen not in windows["sql_editions"]:
        raise InputError(SQL_OPTION, f"expected one of {', '.join(windows['sql_editions'])}, not {chosen!r}")
    return {**described, "windows": {**windows, "sql": chosen}}


def _authority(kept: Kept, topology: Topology) -> Authority:
    """The guests' authority, made where nobody trusts one yet."""
    return (Authority.founded if kept.known(topology.machines) is None else Authority)(kept.folder)


def provision(kept: Kept, topology: Topology, names: Sequence[str], progress: Progress, *, again: bool = False) -> None:
    """Have these guests' scripts run where a guest is not what this checkout makes, or else with `again`.

    The domain controller's run before any, where it is not provisioned. Raises HostError for a guest that is not up or
    belongs to a domain that is gone, LabError with Windows' own words.
    """
    file, guests, authority = with_options(described()), guests_of(kept), _authority(kept, topology)
    hands, secrets = Hands(go_on=guests.go_on, restart=guests.restart), kept.secrets(topology.machines)
    key = cache.key_of(json.dumps([files(), file]), authority.pem)
    controller = topology.only(Role.DOMAIN_CONTROLLER)
    domain_sid = ""
    for name in [controller, *(each for each in names if each != controller)]:
        mark = kept.mark(name) or Mark(kept.machine(name))
        if not mark.machine:
            raise HostError(f"{name} is not up: run `vagrant up --provider={kept.kind} {name}`")
        if name != controller and mark.domain_sid not in {"", domain_sid}:
            raise HostError(f"{name} belongs to a domain that went with its controller; run `vagrant destroy {name}`, "
                            "and `vagrant up` again")
        if mark.key != key or (again and name in names):
            kept.note(name, replace(mark, key=""))
            guests.wait_for(name)
            domain_sid = provisioned(topology, name, file, secrets, authority.issued, hands, progress, domain_sid)
            kept.note(name, replace(mark, key=key, domain_sid=domain_sid))
        domain_sid = domain_sid or mark.domain_sid


def brought_up(kept: Kept, topology: Topology, progress: Progress) -> Access:
    """Bring the guests up, and provision those that are not what this checkout makes; gives how they are reached.

    Raises InputError and HostError for what is missing, before anything is made; LabError with Vagrant's or Windows'
    own words.
    """
    with_options(described())
    if kept.known(topology.machines) is not None:
        Authority(kept.folder)  # which such guests trust, so it has to be there and whole
    guests = guests_of(kept)
    progress(f"vagrant up --provider={kept.kind} (once, with downloads: an hour or two)")
    guests.up(*topology.machines, provider=kept.kind)
    provision(kept, topology, list(topology.machines), progress)
    authority, password = Authority(kept.folder), kept.secrets(topology.machines)["administrator"]
    controller = topology.only(Role.DOMAIN_CONTROLLER)

    def endpoint(name: str, port: int) -> Endpoint:
        address, at = guests.where(name, port)
        return Endpoint(machine=name, host=topology.fqdn(name), address=address, port=at, authority=authority.path)

    return Access(
        endpoints={name: endpoint(name, HTTPS_PORT) for name in topology.machines},
        administrator=Account(user=f"{topology.domain}\\Administrator", password=password),
        directory=endpoint(controller, LDAPS_PORT), directory_password=password,
        signed=authority.issued, restart=guests.restart,
    )


def provision_by_hand(kind: str, topology: Topology, names: Sequence[str], progress: Progress, *, again: bool) -> None:
    """Provision the guests that Vagrant has brought up, these or all."""
    kept = Kept(dotfile(), kind)
    with kept.one_at_a_time():
        provision(kept, topology, names or list(topology.machines), progress, again=again)


@contextmanager
def standing_by(kind: str, topology: Topology, progress: Progress) -> Iterator[Site]:
    """The machines of the guests, which are brought up where they are not; leaves them up."""
    kept = Kept(dotfile(), kind)
    guests = guests_of(kept)
    own = ["env", *(f"{name}={value}" for name, value in guests.own_environment.items()), "vagrant"]
    with kept.one_at_a_time():
        access = brought_up(kept, topology, progress)
        with standing(topology, access, progress, lambda name: [*own, *guests.way(name)]) as site:
            yield site
