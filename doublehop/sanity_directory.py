"""What a scenario says of names, accounts, keys and machines: it has to exist, and its parts to fit. Pure."""

import re
from typing import Any

from doublehop.directory import NO_RECORD
from doublehop.errors import InputError
from doublehop.model import Domain, Encryption, Given, Principal, RestrictNtlm, Role
from doublehop.rules.world import World
from doublehop.scope import Scope

LONGEST_ACCOUNT = 20
"""The SAM refuses a longer sAMAccountName for a user."""
LONGEST_MANAGED = 16
"""A gMSA's name is a computer's, 15 letters and the dollar sign."""
MOST_GROUPS = 1010
"""More memberships do not fit into a Windows access token (row B-29)."""
KEYTAB_TYPES = {Encryption.RC4, Encryption.AES128, Encryption.AES256}
MANAGED = "principals_allowed_to_retrieve_managed_password"
FURTHEST_CLOCK = 3 * 3600
"""A protected user's TGT ends after four hours (row C-20); a clock further off would tell of that."""
CLOCK = re.compile(r"[+-][1-9][0-9]*[smhd]")
LABEL = re.compile(r"[a-z][a-z0-9-]*")


def check(given: Given, scope: Scope, where: str) -> None:
    """Refuse names, accounts, keys and machines that no lab could be given."""
    _check_names(given, scope, where)
    _check_principals(given, scope, where)
    _check_keys(given, scope, where)
    _check_machines(given, scope, where)
    _check_domains(given, scope, where)


def _check_names(given: Given, scope: Scope, where: str) -> None:
    machines = scope.topology.machines
    for label, text in given.names.items():
        kind, _, target = text.partition(" ")
        if text == NO_RECORD:
            continue
        if kind not in {"A", "CNAME"} or not target:
            raise InputError(f"{where}.names.{label}", f"expected 'A MACHINE' or 'CNAME NAME', not {text!r}")
        if kind == "A" and target not in machines:
            raise InputError(f"{where}.names.{label}", f"no machine is called {target!r}")
        if kind == "CNAME":
            resolved(scope.host, target, f"{where}.names.{label}", "name or machine")
    for text, machine in given.client_hosts.items():
        resolved(scope.fill, text, f"{where}.client_hosts", "name")
        if machine not in machines:
            raise InputError(f"{where}.client_hosts", f"no machine is called {machine!r}")


def _check_principals(given: Given, scope: Scope, where: str) -> None:
    owned = {**given.users, **given.accounts}
    _check_labels(given, scope, where)
    for label, facts in given.computers.items():
        if label not in {*scope.topology.members, *scope.topology.across.members}:
            raise InputError(f"{where}.computers", f"no member of the domain is called {label!r}")
        _refuse(f"{where}.computers.{label}", facts, "protected_user", "groups", "domain_local_groups",
                "keytab_encryption_types", "aes_keys", "full_control", MANAGED)
    for label, facts in owned.items():
        _refuse(f"{where}: {label}", facts, "without_spns")
    for label, facts in given.users.items():
        _refuse(f"{where}.users.{label}", facts, "keytab_encryption_types", "aes_keys", MANAGED)
    for label, facts in {**owned, **given.computers}.items():
        for text in (*facts.spns, *facts.without_spns, *facts.allowed_to_delegate_to):
            resolved(scope.fill, text, f"{where}: {label}", "name")
        for each in (*facts.principals_allowed_to_delegate_to_account, *facts.full_control):
            resolved(scope.account, each, f"{where}: {label}", "account")
    for label, text in given.duplicate_spns.items():
        if label not in owned:
            raise InputError(f"{where}.duplicate_spns", f"no user or account is called {label!r}")
        resolved(scope.fill, text, f"{where}.duplicate_spns.{label}", "name")


def _check_keys(given: Given, scope: Scope, where: str) -> None:
    for label, facts in {**given.users, **given.accounts}.items():
        if facts.groups + facts.domain_local_groups > MOST_GROUPS:
            raise InputError(f"{where}: {label}.groups", f"expected at most {MOST_GROUPS} groups in all")
        if not facts.keytab_encryption_types or not KEYTAB_TYPES.issuperset(facts.keytab_encryption_types):
            raise InputError(f"{where}: {label}.keytab_encryption_types",
                             f"expected some of {', '.join(sorted(KEYTAB_TYPES))}")
    for label, facts in given.accounts.items():
        if facts.managed:
            _check_managed(label, facts, given, scope, f"{where}.accounts.{label}")
    for label, what in given.after_sign_in.items():
        resolved(scope.account, label, f"{where}.after_sign_in", "account")
        is_machine = label not in {*given.users, *given.accounts}
        if is_machine and label not in scope.topology.members:
            raise InputError(f"{where}.after_sign_in", f"no member of the domain is called {label!r}")
        if is_machine and (not what.enabled or what.change_password_at_logon):
            raise InputError(f"{where}.after_sign_in.{label}", "expected password_reset only for a machine's account")


def _check_managed(label: str, facts: Principal, given: Given, scope: Scope, where: str) -> None:
    """A gMSA's password is the directory's: nobody types it, sets it or keeps an old one."""
    for each in facts.principals_allowed_to_retrieve_managed_password:
        if each not in scope.topology.of(Role.FRONT_END):
            raise InputError(f"{where}.principals_allowed_to_retrieve_managed_password",
                             f"no front end is called {each!r}")
    _refuse(where, facts, "keytab_encryption_types", "aes_keys", "protected_user", "groups", "domain_local_groups")
    if label in given.after_sign_in:
        raise InputError(where, "expected nothing to happen to a gMSA after sign-in")
    if len(scope.account(label)) > LONGEST_MANAGED:
        raise InputError(where, f"{label!r} is too long for the name of a gMSA")


def _check_machines(given: Given, scope: Scope, where: str) -> None:
    """The domain controller reaches itself, and what keeps the lab's time is not set wrong."""
    topology = scope.topology
    for name in given.dc_unreachable_from:
        if name not in {*topology.members, topology.only(Role.CLIENT)}:
            raise InputError(f"{where}.dc_unreachable_from", f"no client, front end or back end is called {name!r}")
    for name in given.credential_guard_on:
        if name not in {*topology.of(Role.FRONT_END), topology.only(Role.CLIENT)}:
            raise InputError(f"{where}.credential_guard_on", f"no client or front end is called {name!r}")
    if given.restrict_ntlm_in_this_domain is not RestrictNtlm.DISABLE:
        # The domain controller is started anew for it, and whoever had signed in there signs in again.
        place = f"{where}.restrict_ntlm_in_this_domain"
        if topology.only(Role.CLIENT) in given.clocks:
            raise InputError(place, "expected not together with a clock of the client, where the administrator could "
                                    "not sign in again")
        if {*topology.of(Role.FRONT_END)} & given.after_sign_in.keys():
            raise InputError(place, "expected not together with a new password of a web server, which could not sign "
                                    "in again to have NTLM checked")
    for name, by in given.clocks.items():
        if name not in topology.of(Role.FRONT_END) and name != topology.only(Role.CLIENT):
            raise InputError(f"{where}.clocks", f"no client or front end is called {name!r}")
        if not CLOCK.fullmatch(by):
            raise InputError(f"{where}.clocks.{name}", f"expected an offset such as '+10m', not {by!r}")
        if abs(World(scope).clock(name)) > FURTHEST_CLOCK:
            raise InputError(f"{where}.clocks.{name}", f"expected at most three hours, so that no TGT ends, not {by!r}")


def _check_domains(given: Given, scope: Scope, where: str) -> None:
    """Users alone are of the partner's domain, with facts about themselves; its clocks are those of the lab."""
    topology = scope.topology
    beyond = {label: each for label, each in given.users.items() if each.domain is Domain.PARTNER}
    for label, facts in {**given.accounts, **given.computers}.items():
        _refuse(f"{where}: {label}", facts, "domain")
    theirs = given.computers.keys() & topology.partner.machines.keys()
    for label in theirs:
        granted = Principal(principals_allowed_to_delegate_to_account=
                            given.computers[label].principals_allowed_to_delegate_to_account)
        if given.computers[label] != granted:
            raise InputError(f"{where}.computers.{label}", "expected principals_allowed_to_delegate_to_account alone")
    for label, facts in beyond.items():
        _refuse(f"{where}.users.{label}", facts, "spns", "allowed_to_delegate_to", "protected_user", "groups",
                "domain_local_groups", "principals_allowed_to_delegate_to_account")
        if label in given.after_sign_in:
            raise InputError(f"{where}.after_sign_in.{label}", "unexpected for a user of the partner's domain")
    if (beyond or theirs) and topology.only(Role.CLIENT) in given.clocks:
        raise InputError(f"{where}.clocks", "unexpected of the client with accounts of the partner's domain")
    named = [*given.duplicate_spns.values(), *(each for table in (given.users, given.accounts, given.computers)
                                               for facts in table.values() for each in facts.spns)]
    theirs = {scope.host(each) for each in topology.partner.machines}
    if any(scope.fill(each).lower().partition("/")[2].partition(":")[0] in theirs for each in named):
        raise InputError(where, "expected no SPN for a machine of the partner's domain in this one")
    types = given.trust.supported_encryption_types
    if not types or not KEYTAB_TYPES.issuperset(types):
        raise InputError(f"{where}.trust.supported_encryption_types",
                         f"expected some of {', '.join(sorted(KEYTAB_TYPES))}")


def _check_labels(given: Given, scope: Scope, where: str) -> None:
    for label in given.accounts:
        if label in given.users:
            raise InputError(f"{where}.accounts", f"{label!r} is a user already")
    for label in [*given.names, *given.users, *given.accounts]:
        if not LABEL.fullmatch(label):
            raise InputError(where, f"expected a label of lower-case letters, digits and dashes, not {label!r}")
    for label in [*given.users, *given.accounts]:
        if label in {*scope.topology.machines, *scope.topology.partner.machines}:
            raise InputError(where, f"{label!r} is a machine already")
        if len(f"{scope.prefix}-{label}") > LONGEST_ACCOUNT:
            raise InputError(where, f"{label!r} is too long for an account name")


def _refuse(where: str, facts: Principal, *names: str) -> None:
    """Facts that make no sense for this kind of account would be passed over in silence."""
    for name in names:
        if getattr(facts, name) != getattr(Principal(), name):
            raise InputError(f"{where}.{name}", "unexpected for this kind of account")


def resolved(resolve: Any, text: str, where: str, kind: str) -> str:
    """What a text of a scenario comes to, or why it comes to nothing."""
    try:
        return str(resolve(text))
    except KeyError as failure:
        raise InputError(where, f"no {kind} is called {failure}") from failure
