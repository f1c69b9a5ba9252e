"""An inventory: what an environment that already stands calls the things that scenarios speak of, as frozen records.

It says where things are and who is who. What cannot be seen from outside it states in the words of a scenario, and
passwords it never holds: it names the environment variable that does. `inventory_file` reads it.
"""

import ipaddress
from dataclasses import dataclass, field, replace
from enum import StrEnum

from doublehop.frontend import STRICT, FrontEnd
from doublehop.model import Encryption, Principal, RestrictNtlm
from doublehop.topology import Named, Topology

PLACEHOLDER_ADDRESS = ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - nobody listens here: it stands for none
"""What stands for an address that the inventory does not say."""
FROM_ENVIRONMENT = "password_env"


class AccountRole(StrEnum):
    """What an account of the environment is for."""

    USER = "user"
    """Somebody who signs in and asks for pages, so a password is needed."""
    SERVICE = "service"
    """An account that pools run as; nobody signs in as it here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainEntry:
    """The domain and its controller.

    `ldap` is the host whose directory is read, by LDAPS with a certificate of `ldap_ca`, a file of authorities; without
    it nothing is read, and accounts say themselves what is `stated` of them. `name_server` is asked for names instead
    of this machine's. `kdc_log` is a file that the KDC's log is written to, if there is one. `front_end_ca` has the
    authorities that signed the front ends' certificates, where those are not public ones.
    """

    __pydantic_config__ = STRICT

    realm: str
    netbios: str
    kdc: str
    ldap: str = ""
    ldap_ca: str = ""
    name_server: str = ""
    kdc_log: str = ""
    front_end_ca: str = ""
    restrict_ntlm_in_this_domain: RestrictNtlm | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderEntry:
    """Who reads the directory; any account that may."""

    __pydantic_config__ = STRICT

    account: str
    password_env: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineEntry:
    """A host and the account that its services run as; `address` for scenarios that name one."""

    __pydantic_config__ = STRICT

    host: str
    account: str
    address: ipaddress.IPv4Address = PLACEHOLDER_ADDRESS


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountEntry:
    """A real account behind a scenario's `alice` or `pool`.

    `aes_keys` and `keytab_encryption_types` are facts that no directory tells, with a scenario's own defaults.
    `stated` is all that would be read of it if the directory could be.
    """

    __pydantic_config__ = STRICT

    account: str
    role: AccountRole
    password_env: str = ""
    aes_keys: bool = True
    keytab_encryption_types: tuple[Encryption, ...] = Principal().keytab_encryption_types
    stated: Principal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BackEndEntry:
    """A database with the machine it is on, the SPNs it is known by and who has a login; or a `page`."""

    __pydantic_config__ = STRICT

    machine: str = ""
    spns: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """Everything a person says of the environment; every key of a table is a scenario's name for the thing."""

    __pydantic_config__ = STRICT

    domain: DomainEntry
    reader: ReaderEntry | None = None
    machines: dict[str, MachineEntry]
    names: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, AccountEntry]
    front_ends: dict[str, FrontEnd] = field(default_factory=dict)
    back_ends: dict[str, BackEndEntry] = field(default_factory=dict)


def topology(inventory: Inventory, lab: Topology) -> Topology:
    """The lab's topology with this environment's names in place of the lab's own."""
    machines = {}
    for name, each in lab.machines.items():
        entry = inventory.machines.get(name)
        spns = tuple(spn for back_end in inventory.back_ends.values() if back_end.machine == name
                     for spn in back_end.spns)
        machines[name] = replace(each, address=entry.address if entry else PLACEHOLDER_ADDRESS, spns=spns)
    hosts = inventory.names | {name: each.host for name, each in inventory.machines.items()}
    named = Named(hosts=hosts, accounts=accounts(inventory))
    return replace(lab, realm=inventory.domain.realm, domain=inventory.domain.netbios, machines=machines, named=named)


def accounts(inventory: Inventory) -> dict[str, str]:
    """The environment's own names of accounts, those of machines too, by the labels of scenarios."""
    return {name: each.account for name, each in inventory.machines.items()} | {
        name: each.account for name, each in inventory.accounts.items()}
