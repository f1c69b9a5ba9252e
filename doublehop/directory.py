"""Turns a scenario's facts into directory changes: pure, the same for Samba and Windows AD.

A change is a small dictionary that `machine/directory.py` carries out over LDAP; how to take it back is
found out there, where the old values are.
"""

import base64
import dataclasses
import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from doublehop.model import Encryption, Given, Principal, Registration
from doublehop.scope import Scope
from doublehop.topology import Topology

Change = dict[str, Any]

NORMAL_ACCOUNT = 0x200
WORKSTATION_TRUST_ACCOUNT = 0x1000
DONT_EXPIRE_PASSWORD = 0x10000
TRUSTED_FOR_DELEGATION = 0x80000
NOT_DELEGATED = 0x100000
TRUSTED_TO_AUTH_FOR_DELEGATION = 0x1000000
ACCOUNT_DISABLE = 0x2
ENCRYPTION_BITS = {
    Encryption.DES: 0x3, Encryption.RC4: 0x4, Encryption.AES128: 0x8, Encryption.AES256: 0x10,
    Encryption.AES256_SK: 0x20,
    Encryption.RESOURCE_SID_COMPRESSION_DISABLED: 0x80000,
}
"""msDS-SupportedEncryptionTypes (MS-KILE 2.2.7). An account that nothing is said of has AES128 and AES256."""
DAYS_BETWEEN_CHANGES = "30"
"""How long a gMSA keeps a password."""
NO_RECORD = "none"
"""What stands for a name that the DNS does not know."""
GROUPS_IN_A_GROUP = 8
GROUP_TYPES = {"g": "-2147483646", "l": "-2147483644"}
"""groupType of a global and of a domain local security group (MS-ADTS 2.2.12)."""

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
        *(each for label, facts in _owned(given).items() for each in _own(scope, label, facts, passwords[label])),
        *_allowed_to_retrieve(scope, given),
        *(each for label, facts in _owned(given).items() for each in _memberships(scope, label, facts)),
        *_allowed_to_act(scope, given),
        *_full_control(scope, given),
        *(dns_record(scope, label, text) for label, text in given.names.items() if text != NO_RECORD),
    ]


def _owned(given: Given) -> dict[str, Principal]:
    return {**given.users, **given.accounts}


def _own(scope: Scope, label: str, facts: Principal, password: str) -> Iterator[Change]:
    """Add an account; one that stands in the lab is there from the second time on, and only its facts are set."""
    dn, attributes = scope.dn(label), _attributes(scope, label, facts, password)
    if not scope.stands(label):
        yield {"do": "add", "dn": dn, "attributes": {name: each for name, each in attributes.items() if each}}
        return
    usual = _attributes(scope, label, Principal(), password)
    yield {"do": "add-once", "dn": dn, "entries": [
        {"dn": dn, "attributes": {name: each for name, each in usual.items() if each}}]}
    changed = {name: each for name, each in attributes.items() if each != usual[name]}
    if changed:
        yield {"do": "set", "dn": dn, "attributes": changed}


def _attributes(scope: Scope, label: str, facts: Principal, password: str) -> dict[str, list[Any]]:
    account = scope.account(label)
    kind: dict[str, list[Any]] = {
        "objectClass": ["user"],
        "unicodePwd": [unicode_password(password)],
        "userAccountControl": [account_control(facts, NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD)],
    }
    managed: dict[str, list[Any]] = {
        "objectClass": ["msDS-GroupManagedServiceAccount"],
        "dNSHostName": [f"{account.rstrip('$')}.{scope.topology.dns}"],
        "msDS-ManagedPasswordInterval": [DAYS_BETWEEN_CHANGES],
        "userAccountControl": [account_control(facts, WORKSTATION_TRUST_ACCOUNT)],
    }
    return {
        **(managed if facts.managed else kind),
        "sAMAccountName": [account],
        "msDS-SupportedEncryptionTypes": encryption_types(facts),
        "servicePrincipalName": [scope.fill(each) for each in facts.spns],
        "msDS-AllowedToDelegateTo": [scope.fill(each) for each in facts.allowed_to_delegate_to],
    }


def _without_spns(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    if facts.without_spns:
        spns = [scope.fill(each) for each in facts.without_spns]
        yield modify(scope.dn(label), "delete", "servicePrincipalName", spns)


def _computer(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    dn = scope.dn(label)
    if facts.spns:
        yield modify(dn, "add", "servicePrincipalName", [scope.fill(each) for each in facts.spns])
    if any(getattr(facts, name) for name in FLAGS):
        # Where services of a machine run as an account of their own, that one is meant.
        own = NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD
        base = WORKSTATION_TRUST_ACCOUNT if scope.account(label).endswith("$") else own
        yield modify(dn, "replace", "userAccountControl", [account_control(facts, base)])
    if facts.allowed_to_delegate_to:
        yield modify(dn, "replace", "msDS-AllowedToDelegateTo",
                     [scope.fill(each) for each in facts.allowed_to_delegate_to])
    if facts.supported_encryption_types != Principal().supported_encryption_types:
        yield modify(dn, "replace", "msDS-SupportedEncryptionTypes", encryption_types(facts))


def _memberships(scope: Scope, label: str, facts: Principal) -> Iterator[Change]:
    if facts.protected_user:
        yield modify(f"CN=Protected Users,CN=Users,{scope.topology.base_dn}", "add", "member", [scope.dn(label)])
    for kind, number in {"g": facts.groups, "l": facts.domain_local_groups}.items():
        for size in (1 << bit for bit in range(number.bit_length()) if number >> bit & 1):
            yield _groups(scope.topology, kind, size)
            yield modify(_group(scope.topology, kind, size, 0), "add", "member", [scope.dn(label)])


def _unit(topology: Topology, kind: str, size: int) -> str:
    return f"OU=groups-{kind}{size},{topology.base_dn}"


def _group(topology: Topology, kind: str, size: int, number: int) -> str:
    return f"CN=group-{kind}{size}-{number},{_unit(topology, kind, size)}"


def _groups(topology: Topology, kind: str, size: int) -> Change:
    """So many groups that a member of the first is a member of all; they stay, since making them is slow.

    Any number of groups is a few sets of 1, 2, 4, 8 ... of them. Each group of a set is a member of some later
    ones: an account that is a member of hundreds of groups by itself would have its entry written as many times.
    """

    def group(number: int) -> Change:
        attributes = {"objectClass": ["group"], "sAMAccountName": [f"group-{kind}{size}-{number}"],
                      "groupType": [GROUP_TYPES[kind]]}
        if number:
            attributes["member"] = [_group(topology, kind, size, (number - 1) // GROUPS_IN_A_GROUP)]
        return {"dn": _group(topology, kind, size, number), "attributes": attributes}

    unit = {"dn": _unit(topology, kind, size), "attributes": {"objectClass": ["organizationalUnit"]}}
    return {"do": "add-once", "dn": unit["dn"], "entries": [unit, *(group(each) for each in range(size))]}


def plan_after_sign_in(scope: Scope, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """Every change of `after_sign_in`; `before` and `after` are passwords by label, for those that are reset."""
    return [each for label in scope.given.after_sign_in for each in _after_sign_in(scope, label, before, after)]


def _after_sign_in(scope: Scope, label: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    what, dn = scope.given.after_sign_in[label], scope.dn(label)
    facts = _owned(scope.given).get(label, Principal())
    if what.password_reset:
        yield {"do": "set-password", "dn": dn, "before": unicode_password(before[label]),
               "after": unicode_password(after[label])}
    if not what.enabled or what.change_password_at_logon:
        # A password that never expires cannot be made to.
        base = NORMAL_ACCOUNT | (0 if what.change_password_at_logon else DONT_EXPIRE_PASSWORD)
        yield modify(dn, "replace", "userAccountControl",
                     [account_control(facts, base | (0 if what.enabled else ACCOUNT_DISABLE))])
    if what.change_password_at_logon:
        yield {"do": "expire-password", "dn": dn}


def _allowed_to_retrieve(scope: Scope, given: Given) -> Iterator[Change]:
    for label, facts in given.accounts.items():
        if facts.managed:
            principals = [scope.dn(each) for each in facts.principals_allowed_to_retrieve_managed_password]
            yield {"do": "allow-to-retrieve-password", "dn": scope.dn(label), "principals": principals}


def _allowed_to_act(scope: Scope, given: Given) -> Iterator[Change]:
    for label, facts in {**_owned(given), **given.computers}.items():
        if facts.principals_allowed_to_delegate_to_account:
            yield {"do": "allow-to-act", "dn": scope.dn(label),
                   "principals": [scope.dn(each) for each in facts.principals_allowed_to_delegate_to_account]}


def _full_control(scope: Scope, given: Given) -> Iterator[Change]:
    for label, facts in _owned(given).items():
        if facts.full_control:
            yield {"do": "give-full-control", "dn": scope.dn(label),
                   "principals": [scope.dn(each) for each in facts.full_control]}


def written(registration: Registration, scope: Scope) -> Change:
    """The one change that an attempt to register or to grant something comes to."""
    dn, grant = scope.dn(registration.on), registration.grant
    if registration.register:
        return modify(dn, "add", "servicePrincipalName", [scope.fill(registration.register)])
    if grant.allowed_to_delegate_to:
        services = [scope.fill(each) for each in grant.allowed_to_delegate_to]
        return modify(dn, "add", "msDS-AllowedToDelegateTo", services)
    if grant.principals_allowed_to_delegate_to_account:
        return {"do": "allow-to-act", "dn": dn,
                "principals": [scope.dn(each) for each in grant.principals_allowed_to_delegate_to_account]}
    owned, on = _owned(scope.given), registration.on.rstrip("$")
    facts = owned.get(on) or scope.given.computers.get(on, Principal())
    trusted = dataclasses.replace(
        facts, trusted_for_delegation=facts.trusted_for_delegation or grant.trusted_for_delegation,
        trusted_to_auth_for_delegation=facts.trusted_to_auth_for_delegation or grant.trusted_to_auth_for_delegation)
    is_user = on in owned and not facts.managed
    base = NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD if is_user else WORKSTATION_TRUST_ACCOUNT
    return modify(dn, "replace", "userAccountControl", [account_control(trusted, base)])


def encryption_types(facts: Principal) -> list[str]:
    """The value of msDS-SupportedEncryptionTypes, none when nothing is supported in particular."""
    bits = encryption_bits(facts.supported_encryption_types)
    return [str(bits)] if bits else []


def encryption_bits(types: Iterable[Encryption]) -> int:
    """Encryption types as msDS-SupportedEncryptionTypes holds them."""
    return sum(ENCRYPTION_BITS[each] for each in types)


def unicode_password(password: str) -> dict[str, str]:
    """A password as unicodePwd takes it (MS-ADTS 3.1.1.3.1.5.1)."""
    return _binary(f'"{password}"'.encode("utf-16-le"))


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


def is_dns_record(dn: str) -> bool:
    """Whether an entry is what a DNS server serves."""
    return ",CN=MicrosoftDNS," in dn


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
