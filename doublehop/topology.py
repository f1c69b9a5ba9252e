"""Reads `lab/topology.toml`, the one place that names realm, machines, addresses and roles."""

import ipaddress
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doublehop.data import LAB
from doublehop.errors import InputError
from doublehop.frontend import STRICT
from doublehop.model import Role

NETWORKS = 32
"""How many labs can run side by side in containers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineSpec:
    """One machine as the topology describes it; `spns` come on top of its HOST names."""

    __pydantic_config__ = STRICT

    role: Role
    address: ipaddress.IPv4Address
    spns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """The root filesystem: a Debian release and a package list in `lab/image/`.

    `without` are those of its packages that the release lacks, `apt` is an option for apt.
    """

    __pydantic_config__ = STRICT

    release: str
    packages: str
    without: tuple[str, ...] = ()
    apt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner:
    """The second domain: the root of another forest, on the same network and of the same image."""

    __pydantic_config__ = STRICT

    realm: str
    domain: str
    machines: dict[str, MachineSpec] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A Vagrant box with Windows in it, and the Vagrant providers that there is one for."""

    __pydantic_config__ = STRICT

    box: str
    version: str
    providers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """The boxes that can be chosen, by the name of their Windows."""

    __pydantic_config__ = STRICT

    server: dict[str, Box] = field(default_factory=dict)
    client: dict[str, Box] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """The size of a machine with Windows; memory in MiB."""

    __pydantic_config__ = STRICT

    memory: int
    cpus: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """Where an edition of SQL Server is fetched: the address of the program that does it, and its kind of media."""

    __pydantic_config__ = STRICT

    url: str
    media: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """What Vagrant makes of the machines where they run Windows: the choices, and which is taken by default."""

    __pydantic_config__ = STRICT

    server: str = ""
    client: str = ""
    sql: str = ""
    sql_account: str = ""
    """Who SQL Server runs as: an account of the domain, which holds the database's names."""
    sql_editions: dict[str, Media] = field(default_factory=dict)
    hosting_bundle: str = ""
    web_ports: tuple[str, ...] = ()
    """The ports of web servers that others may reach, as a firewall takes them: a number, or a range of them."""
    boxes: Boxes = field(default_factory=Boxes)
    guests: dict[str, Guest] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What an environment that is not the lab's calls its hosts and accounts, by the labels of scenarios."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """A whole lab on paper; `partner` is the second domain, which most scenarios do without.

    Domain controllers may be of another image than the rest (`releases.with_dc`).
    What `windows` says is about guests of another make: no Linux machine's state depends on it.
    `named` is for an environment that already stands; the lab makes up its names by itself.
    """

    __pydantic_config__ = STRICT

    realm: str
    domain: str
    network: ipaddress.IPv4Network
    image: ImageSpec
    machines: dict[str, MachineSpec] = field(default_factory=dict)
    partner: Partner
    functional_level: str
    base_schema: str
    dc_image: ImageSpec | None = None
    windows: Windows = field(default_factory=Windows, repr=False)
    named: Named = field(default=Named(), repr=False)

    @property
    def across(self) -> "Topology":
        """The lab as the second domain sees it: that domain is its own, and this one is its partner."""
        return replace(
            self, realm=self.partner.realm, domain=self.partner.domain, machines=self.partner.machines,
            partner=Partner(realm=self.realm, domain=self.domain, machines=self.machines),
        )

    def image_of(self, machine: str) -> ImageSpec:
        """What a machine of this domain is made from."""
        is_dc = self.machines[machine].role is Role.DOMAIN_CONTROLLER
        return (self.dc_image if is_dc else None) or self.image

    def moved_to(self, network: ipaddress.IPv4Network) -> "Topology":
        """The same lab on another network of the same size, for where the first is taken."""
        distance = int(network.network_address) - int(self.network.network_address)

        def moved(machines: dict[str, MachineSpec]) -> dict[str, MachineSpec]:
            return {name: replace(each, address=each.address + distance) for name, each in machines.items()}

        return replace(self, network=network, machines=moved(self.machines),
                       partner=replace(self.partner, machines=moved(self.partner.machines)))

    def beside(self, number: int) -> "Topology":
        """The same lab on the network that comes so many after its own; a container engine refuses two on one."""
        first = int(self.network.network_address) + number * self.network.num_addresses
        return self.moved_to(ipaddress.IPv4Network((first, self.network.prefixlen)))

    @property
    def for_compose(self) -> "Topology":
        """The lab of `compose.yaml`, on the network after all that labs of the docker provider take."""
        return self.beside(NETWORKS)

    @property
    def for_vagrant(self) -> "Topology":
        """The lab that somebody's own `vagrant up` makes, on the network after that."""
        return self.beside(NETWORKS + 1)

    @property
    def dns(self) -> str:
        """The DNS domain, which is the realm in lower case."""
        return self.realm.lower()

    @property
    def base_dn(self) -> str:
        """The domain's distinguished name."""
        return ",".join(f"DC={each}" for each in self.realm.split("."))

    def fqdn(self, machine: str) -> str:
        """A machine's full name."""
        return self.named.hosts.get(machine) or f"{machine}.{self.dns}"

    def place(self, machine: str) -> dict[str, Any]:
        """What an agent is told to give its machine its address."""
        return {"address": str(self.machines[machine].address), "prefix": self.network.prefixlen}

    def only(self, role: Role) -> str:
        """The name of the first machine of a role."""
        return next(name for name, each in self.machines.items() if each.role is role)

    def of(self, role: Role) -> list[str]:
        """The names of all machines of a role, in order."""
        return [name for name, each in self.machines.items() if each.role is role]

    @property
    def members(self) -> list[str]:
        """Machines with a computer account that the scenarios may change."""
        return self.of(Role.FRONT_END) + self.of(Role.BACK_END)

    def files_for(self, machine: str) -> dict[str, str]:
        """The configuration files every machine gets, path to content."""
        dc = self.machines[self.only(Role.DOMAIN_CONTROLLER)].address
        hosts = "".join(f"{each.address} {self.fqdn(name)} {name}\n" for name, each in self.machines.items()
                        if name == machine or each.role is Role.DOMAIN_CONTROLLER)
        across = self.across
        hosts += "".join(f"{each.address} {across.fqdn(name)}\n" for name, each in across.machines.items())
        partner_kdc = across.machines[across.only(Role.DOMAIN_CONTROLLER)].address
        values = {"realm": self.realm, "dns": self.dns, "dc": str(dc), "kdc": str(dc), "enforce_ok_as_delegate": "true",
                  "partner_realm": across.realm, "partner_dns": across.dns, "partner_kdc": str(partner_kdc)}
        return {
            "/etc/hosts": f"127.0.0.1 localhost\n{hosts}",
            "/etc/hostname": f"{machine}\n",
            "/etc/resolv.conf": template("resolv.conf", values),
            "/etc/krb5.conf": template("krb5.conf", values),
        }

    def smb_conf(self) -> str:
        """The domain controller's Samba configuration."""
        host = self.only(Role.DOMAIN_CONTROLLER)
        return template("smb.conf", {"realm": self.realm, "domain": self.domain, "dns": self.dns,
                                     "host": host.upper(), "level": self.functional_level})

    def member_conf(self, machine: str) -> str:
        """The Samba configuration of a member of the domain."""
        dc = self.fqdn(self.only(Role.DOMAIN_CONTROLLER))
        return template("member.conf", {"realm": self.realm, "domain": self.domain, "host": machine.upper(), "dc": dc})


def template(name: str, values: dict[str, str]) -> str:
    """One of the lab's configuration files with these values put in."""
    return Template((LAB / "templates" / name).read_text()).substitute(values)


def load(path: Path = LAB / "topology.toml") -> Topology:
    """Read a topology.

    Raises InputError with file and key when it cannot be used.
    """
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, ValueError) as failure:  # not there, not text, or not TOML (which says the line)
        raise InputError(str(path), str(failure)) from failure
    try:
        topology = TypeAdapter(Topology).validate_python(raw)
    except ValidationError as failure:
        first = failure.errors()[0]
        key = ".".join(str(each) for each in first["loc"])
        raise InputError(str(path), f"{key}: {first['msg']}") from failure
    _check(topology, str(path))
    return topology


def _check(topology: Topology, path: str) -> None:
    if topology.named != Named():
        raise InputError(path, "named: unexpected key (an inventory names what stands already)")
    for role in Role:
        if not topology.of(role):
            raise InputError(path, f"machines: expected at least one with role {role.value!r}")
    named = {f"machines.{name}": (name, each) for name, each in topology.machines.items()}
    for role in (Role.DOMAIN_CONTROLLER, Role.BACK_END):
        if not topology.across.of(role):
            raise InputError(path, f"partner.machines: expected one with role {role.value!r}")
    named |= {f"partner.machines.{name}": (name, each) for name, each in topology.partner.machines.items()}
    seen: dict[ipaddress.IPv4Address, str] = {}
    names: set[str] = set()
    for key, (name, each) in named.items():
        if each.address not in topology.network:
            raise InputError(path, f"{key}.address: expected one inside {topology.network}")
        if each.address in seen:
            raise InputError(path, f"{key}.address: {seen[each.address]} has it already")
        if name in names:
            raise InputError(path, f"{key}: a machine of the other domain has this name already")
        seen[each.address] = name
        names.add(name)
    _check_windows(topology, path)


def _check_windows(topology: Topology, path: str) -> None:
    windows = topology.windows
    choices: dict[str, tuple[str, Collection[str]]] = {
        "server": (windows.server, windows.boxes.server), "client": (windows.client, windows.boxes.client),
        "sql": (windows.sql, windows.sql_editions)}
    for key, (chosen, known) in choices.items():
        if chosen and chosen not in known:
            raise InputError(path, f"windows.{key}: expected one of {', '.join(known)}, not {chosen!r}")
    for name in windows.guests:
        if name not in topology.machines:
            raise InputError(path, f"windows.guests.{name}: no machine has this name")
    for name in topology.machines if windows.guests else ():
        if name not in windows.guests:
            raise InputError(path, f"windows.guests: expected one for machine {name!r}")
