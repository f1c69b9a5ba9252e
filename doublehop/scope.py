"""The names of a scenario inside a lab's domain: its own DNS subdomain, its own accounts and the lab's.

Scenarios say `{portal}` or `alice`; the directory and the wire have `portal.s1f2a.doublehop.test` and
`lab-alice`, or `s1f2a-alice` where something is said of her that cannot be taken back. Owning such names keeps
leftovers of one scenario from changing the next.
"""

import hashlib
import re
from dataclasses import dataclass, fields, replace
from typing import Any

from doublehop.model import Domain, Given, Principal, Role, When
from doublehop.topology import Topology

STANDING = "lab"
"""What names of a lab's own accounts begin with; those of a scenario begin with an `s`."""
TAKEN_BACK: dict[str, Any] = {each.name: each.default for each in fields(Principal) if each.name in {
    "spns", "trusted_for_delegation", "trusted_to_auth_for_delegation", "account_not_delegated",
    "allowed_to_delegate_to", "principals_allowed_to_delegate_to_account", "groups", "domain_local_groups",
    "protected_user", "supported_encryption_types", "keytab_encryption_types", "sql_login"}}
"""Facts about an account that leave nothing behind, with what they are by themselves."""
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scenario's names, both ways."""

    topology: Topology
    given: Given
    prefix: str

    @property
    def subdomain(self) -> str:
        """The DNS subdomain of the scenario's own names."""
        return f"{self.prefix}.{self.topology.dns}"

    def host(self, label: str) -> str:
        """The full name behind a label: one of the scenario's own names, or a machine.

        Raises KeyError with the label when there is none.
        """
        if label in self.given.names:
            return self.topology.named.hosts.get(label) or f"{label}.{self.subdomain}"
        if label in self.topology.machines:
            return self.topology.fqdn(label)
        if label in self.topology.partner.machines:
            return self.topology.across.fqdn(label)
        raise KeyError(label)

    def domain_of(self, label: str) -> Topology:
        """The domain that the account behind a label is of, as that domain sees the lab; an unknown one is of ours."""
        user = self.given.users.get(label)
        theirs = label.rstrip("$") in self.topology.partner.machines
        beyond = theirs if user is None else user.domain is Domain.PARTNER
        return self.topology.across if beyond else self.topology

    @property
    def client_reaches_dc(self) -> bool:
        """Whether the KDC can have heard of the client at all."""
        return self.topology.only(Role.CLIENT) not in self.given.dc_unreachable_from

    def address(self, machine: str) -> str:
        """A machine's address."""
        return str(self.topology.machines[machine].address)

    def account(self, label: str) -> str:
        """The sAMAccountName behind a label: a user, an account, or a machine (with or without its `$`).

        Raises KeyError with the label when there is none.
        """
        named = self.topology.named.accounts.get(label.rstrip("$"))
        if named:
            return named
        if label in self.given.users or label in self.given.accounts:
            return f"{STANDING if self.stands(label) else self.prefix}-{label}{'$' if self._managed(label) else ''}"
        if label.rstrip("$") in {*self.topology.machines, *self.topology.partner.machines}:
            return f"{label.rstrip('$').upper()}$"
        raise KeyError(label)

    def stands(self, label: str) -> bool:
        """Whether it is a user or an account of the lab's own, which serves every scenario.

        Making one takes longer than most requests, because a directory derives keys slowly on purpose (RFC 3962
        section 4). So accounts are kept, and what a scenario says of them is set and taken back, as with machines;
        but for what cannot be taken back, or happens to them later.
        """
        facts = self.given.users.get(label) or self.given.accounts.get(label)
        return facts is not None and replace(facts, **TAKEN_BACK) == Principal() and not (
            label in self.given.after_sign_in or label in self.given.duplicate_spns)

    def principal(self, label: str) -> str:
        """The Kerberos principal behind a label."""
        return f"{self.account(label)}@{self.domain_of(label).realm}"

    def login(self, label: str) -> str:
        """What a database calls the account: one of another realm has that realm in its name."""
        own = self.domain_of(label) is self.topology
        return self.account(label) if own else self.principal(label)

    def dn(self, label: str) -> str:
        """Where the account behind a label is in the directory."""
        account = self.account(label)
        folder = "Computers" if account.endswith("$") else "Users"
        if self._managed(label):
            folder = "Managed Service Accounts"
        return f"CN={account.rstrip('$')},CN={folder},{self.domain_of(label).base_dn}"

    def _owned(self) -> dict[str, str]:
        named = {account.lower(): f"{label}$" for label, account in self.topology.named.accounts.items()
                 if label in self.topology.machines}
        return named | {self.account(each).lower(): each for each in (*self.given.users, *self.given.accounts)}

    def _managed(self, label: str) -> bool:
        return label in self.given.accounts and self.given.accounts[label].managed

    def fill(self, text: str) -> str:
        """Put in full names for `{label}`, and other forms for `{label.netbios|account|address}`."""

        def value(match: re.Match[str]) -> str:
            label, _, form = match[1].partition(".")
            forms = {"": self.host, "netbios": self._netbios, "account": self.account, "address": self.address}
            if form not in forms:
                raise KeyError(match[1])
            return forms[form](label)

        return PLACEHOLDER.sub(value, text)

    def page(self, name: str) -> str:
        """The URL of a page among the back ends, without a question in it.

        Raises KeyError with the name when there is none.
        """
        return self.fill(self.given.back_ends[name])

    def _netbios(self, label: str) -> str:
        if label not in self.topology.machines:
            raise KeyError(f"{label}.netbios")
        return self.topology.named.hosts.get(label, label).partition(".")[0].upper()

    def label(self, identity: str) -> str:
        """The label of an identity as a hop reported it, with a realm or a domain; others as they are.

        An account of the same name in the wrong one of two domains is somebody else.
        """
        name, _, realm = identity.partition("@")
        account = name.rpartition("\\")[2]
        label = self._owned().get(account.lower())
        if label is not None:
            realms = {self.topology.realm, self.topology.partner.realm}
            return identity if realm in realms - {self.domain_of(label).realm} else label
        return account.lower() if account.endswith("$") else account


def referral_to(realm: str) -> str:
    """The ticket that leads from one KDC to the next, as the one that issues it calls it."""
    return f"krbtgt/{realm}"


def web_servers(given: Given, when: When, topology: Topology) -> list[str]:
    """The web servers that a configuration or its question names; nobody can come to another one."""
    text = repr((given, when))
    return [name for name in topology.of(Role.FRONT_END)
            if name in text or str(topology.machines[name].address) in text]


def scope_of(scenario_id: str, given: Given, topology: Topology) -> Scope:
    """The scope of one scenario; its prefix depends on the id alone, so a second run finds the same names."""
    digest = hashlib.sha256(scenario_id.encode()).hexdigest()
    return Scope(topology=topology, given=given, prefix=f"s{digest[:6]}")
