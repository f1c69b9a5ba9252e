"""Turns a scenario's facts into directory changes: pure, the same for Samba and Windows AD.

A change is a small dictionary that `machine/directory.py` carries out over LDAP; how to take it back is
found out there, where the old values are.
"""

import base64
import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from doublehop.model import Given, Principal
from doublehop.scope import Scope
from doublehop.topology import Topology

Change = dict[str, Any]

NORMAL_ACCOUNT = 0x200
WORKSTATION_TRUST_ACCOUNT = 0x1000
DONT_EXPIRE_PASSWORD = 0x10000
TRUSTED_FOR_DELEGATION = 0x80000
NOT_DELEGATED = 0x100000
TRUSTED_TO_AUTH_FOR_DELEGATION = 0x1000000
AES_ONLY = "24"
"""msDS-SupportedEncryptionTypes: AES128 and AES256 (row G-09), Windows's own default since April 2026."""

FLAGS = {
    "trusted_for_delegation": TRUSTED_FOR_DELEGATION,
    "account_not_delegated": NOT_DELEGATED,
    "trusted_to_auth_for_delegation": TRUSTED_TO_AUTH_FOR_DELEGATION,
}

A_RECORD, CNAME_RECORD = 1, 5
TIME_TO_LIVE = 900


def account_control(principal: Principal, base: int) -> str:
    """UserAccountControl for these facts (MS-ADTS 2.2.16)."""
    return str(base | sum(bit for name, bit in FLAGS.items() if getattr(principal, name)))


def kept(scope: Scope, spns: Iterable[str]) -> Iterator[Change]:
    """Have the SPNs of each computer restored in the end, to whose host a name is given elsewhere.

    Samba checks the right to write the holder of HOST/<host> by writing it anew, in another spelling.
    """
    hosts = {scope.fill(each).lower().partition("/")[2].partition(":")[0].partition(".")[0] for each in spns}
    for name in scope.topology.members:
        if name in hosts:
            yield {"do": "keep", "dn": scope.dn(name), "attribute": "servicePrincipalName"}


def plan(scope: Scope, passwords: Mapping[str, str], only: Given | None = None) -> list[Change]:
    """Every change that makes the directory hold what the scenario gives, or just a part of it.

    `passwords` maps the labels of its users and accounts to their passwords. SPNs are taken away before any
    is given, so that one can move, and computers come before accounts, so that HOST comes first (row A-16).
    """
    given = only or scope.given
    everybody = (*given.computers.values(), *_owned(given).values())
    return [
        *kept(scope, (each for facts in everybody for each in facts.spns)),
        *(each for label, facts in given.computers.items() for each in _without_spns(scope, label, facts)),
        *(each for label, facts in given.computers.items() for each in _computer(scope, label, facts)),
        *(_own(scope, label, facts, passwords[label]) for label, facts in _owned(given).items()),
        *(each for label, facts in _owned(given).items() for each in _memberships(scope, label, facts)),
        *_allowed_to_act(scope, given),
        *(dns_record(scope, label, text) for label, text in given.names.items()),
    ]


def _owned(given: Given) -> dict[str, Principal]:
    return {**given.users, **given.accounts}


def _own(scope: Scope, label: str, facts: Principal, password: str) -> Change:
    account = scope.account(label)
    attributes: dict[str, list[Any]] = {
        "objectClass": ["user"],
        "sAMAccountName": [account],
        "unicodePwd": [_binary(f'"{password}"'.encode("utf-16-le"))],
        "userAccountControl": [account_control(facts, NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD)],
        "msDS-SupportedEncryptionTypes": [AES_ONLY],
        "servicePrincipalName": [scope.fill(each) for each in facts.spns],
        "msDS-AllowedToDelegateTo": [scope.fill(each) for each in facts.allowed_to_delegate_to],
    }
    return {"do": "add", "dn": scope.dn(label), "attributes": {name: each for name, each in attributes.items() if each}}


def _without_spns(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    if facts.without_spns:
        spns = [scope.fill(each) for each in facts.without_spns]
        yield modify(scope.dn(label), "delete", "servicePrincipalName", spns)


def _computer(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    dn = scope.dn(label)
    if facts.spns:
        yield modify(dn, "add", "servicePrincipalName", [scope.fill(each) for each in facts.spns])
    if any(getattr(facts, name) for name in FLAGS):
        yield modify(dn, "replace", "userAccountControl", [account_control(facts, WORKSTATION_TRUST_ACCOUNT)])
    if facts.allowed_to_delegate_to:
        yield modify(dn, "replace", "msDS-AllowedToDelegateTo",
                     [scope.fill(each) for each in facts.allowed_to_delegate_to])


def _memberships(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    if facts.protected_user:
        yield modify(f"CN=Protected Users,CN=Users,{scope.topology.base_dn}", "add", "member", [scope.dn(label)])
    for number in range(facts.groups):
        name = f"{scope.account(label)}-g{number}"
        yield {"do": "add", "dn": f"CN={name},CN=Users,{scope.topology.base_dn}", "attributes": {
            "objectClass": ["group"], "sAMAccountName": [name], "member": [scope.dn(label)],
        }}


def _allowed_to_act(scope: Scope, given: Given) -> Iterator[Change]:
    for label, facts in {**_owned(given), **given.computers}.items():
        if facts.principals_allowed_to_delegate_to_account:
            yield {"do": "allow-to-act", "dn": scope.dn(label),
                   "principals": [scope.dn(each) for each in facts.principals_allowed_to_delegate_to_account]}


def modify(dn: str, how: str, attribute: str, values: list[str]) -> Change:
    """One change of one attribute."""
    return {"do": "modify", "how": how, "dn": dn, "attribute": attribute, "values": values}


def dns_record(scope: Scope, label: str, text: str) -> Change:
    """A scenario's own DNS name; `text` is `A MACHINE` or `CNAME LABEL`."""
    kind, _, target = text.partition(" ")
    node = f"{label}.{scope.prefix}"
    if kind == "A":
        return address_record(scope.topology, node, scope.topology.machines[target].address)
    return _dns_node(scope.topology, node, CNAME_RECORD, _dns_name(scope.host(target)))


def address_record(topology: Topology, node: str, address: ipaddress.IPv4Address) -> Change:
    """An A record of the domain's zone as the directory keeps it."""
    return _dns_node(topology, node, A_RECORD, address.packed)


def _dns_node(topology: Topology, node: str, kind: int, data: bytes) -> Change:
    zone = f"DC={topology.dns},CN=MicrosoftDNS,DC=DomainDnsZones,{topology.base_dn}"
    return {"do": "add", "dn": f"DC={node},{zone}", "attributes": {
        "objectClass": ["dnsNode"], "dnsRecord": [_binary(_dns_data(kind, data))],
    }}


def _dns_data(kind: int, data: bytes) -> bytes:
    """The dnsRecord attribute (MS-DNSP 2.3.2.2): only the time to live is big-endian."""
    version, zone_rank, flags, serial = 5, 240, 0, 1
    head = struct.pack("<HHBBHI", len(data), kind, version, zone_rank, flags, serial)
    return head + struct.pack(">I", TIME_TO_LIVE) + struct.pack("<II", 0, 0) + data


def _dns_name(name: str) -> bytes:
    """DNS_COUNT_NAME (MS-DNSP 2.2.2.2.2)."""
    labels = name.split(".")
    text = b"".join(bytes([len(each)]) + each.encode() for each in labels) + b"\0"
    return bytes([len(text), len(labels)]) + text


def _binary(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
