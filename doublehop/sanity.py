"""Refuses scenarios that no lab could be given: what they name has to exist, and their parts to fit. Pure."""

import re
from typing import Any

from doublehop.errors import InputError
from doublehop.frontend import FrontEnd, ImpersonateAs, PoolIdentity, parse_binding
from doublehop.model import Given, Principal, Registration, Role, Scenario
from doublehop.rules.world import World, url_of
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology
from doublehop.verdict import BACK_END_SERVICES

LONGEST_ACCOUNT = 20
LABEL = re.compile(r"[a-z][a-z0-9-]*")


def check(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what no lab could be given: unknown machines, accounts, names and pools, and senseless outcomes."""
    check_question(scenario, topology, where)
    _check_expect(scenario, scope_of(scenario.id, scenario.given, topology), where)


def check_question(scenario: Scenario, topology: Topology, where: str) -> None:
    """Refuse what could not be given or asked, whatever is expected of it."""
    given, scope = scenario.given, scope_of(scenario.id, scenario.given, topology)
    _check_names(given, scope, f"{where}.given")
    _check_principals(given, scope, f"{where}.given")
    for name, front_end in given.front_ends.items():
        if name not in topology.of(Role.FRONT_END):
            raise InputError(f"{where}.given.front_ends", f"no front end is called {name!r}")
        _check_front_end(front_end, scope, f"{where}.given.front_ends.{name}")
    _check_when(scenario, scope, where)


def _check_names(given: Given, scope: Scope, where: str) -> None:
    machines = scope.topology.machines
    for label, text in given.names.items():
        kind, _, target = text.partition(" ")
        if kind not in {"A", "CNAME"} or not target:
            raise InputError(f"{where}.names.{label}", f"expected 'A MACHINE' or 'CNAME NAME', not {text!r}")
        if kind == "A" and target not in machines:
            raise InputError(f"{where}.names.{label}", f"no machine is called {target!r}")
        if kind == "CNAME":
            _resolved(scope.host, target, f"{where}.names.{label}", "name or machine")
    for text, machine in given.client_hosts.items():
        _resolved(scope.fill, text, f"{where}.client_hosts", "name")
        if machine not in machines:
            raise InputError(f"{where}.client_hosts", f"no machine is called {machine!r}")


def _check_principals(given: Given, scope: Scope, where: str) -> None:
    owned = {**given.users, **given.accounts}
    _check_labels(given, scope, where)
    for label, facts in given.computers.items():
        if label not in scope.topology.members:
            raise InputError(f"{where}.computers", f"no member of the domain is called {label!r}")
        _refuse(f"{where}.computers.{label}", facts, "protected_user", "groups")
    for label, facts in owned.items():
        _refuse(f"{where}: {label}", facts, "without_spns")
    for label, facts in {**owned, **given.computers}.items():
        for text in (*facts.spns, *facts.without_spns, *facts.allowed_to_delegate_to):
            _resolved(scope.fill, text, f"{where}: {label}", "name")
        for each in facts.principals_allowed_to_delegate_to_account:
            _resolved(scope.account, each, f"{where}: {label}", "account")
    for label, text in given.duplicate_spns.items():
        if label not in owned:
            raise InputError(f"{where}.duplicate_spns", f"no user or account is called {label!r}")
        _resolved(scope.fill, text, f"{where}.duplicate_spns.{label}", "name")


def _check_labels(given: Given, scope: Scope, where: str) -> None:
    for label in given.accounts:
        if label in given.users:
            raise InputError(f"{where}.accounts", f"{label!r} is a user already")
    for label in [*given.names, *given.users, *given.accounts]:
        if not LABEL.fullmatch(label):
            raise InputError(where, f"expected a label of lower-case letters, digits and dashes, not {label!r}")
    for label in [*given.users, *given.accounts]:
        if label in scope.topology.machines:
            raise InputError(where, f"{label!r} is a machine already")
        if len(scope.account(label)) > LONGEST_ACCOUNT:
            raise InputError(where, f"{label!r} is too long for an account name")


def _refuse(where: str, facts: Principal, *names: str) -> None:
    """Facts that make no sense for this kind of account would be passed over in silence."""
    for name in names:
        if getattr(facts, name):
            raise InputError(f"{where}.{name}", "unexpected for this kind of account")


def _check_front_end(front_end: FrontEnd, scope: Scope, where: str) -> None:
    for name, pool in front_end.applicationPools.items():
        if (pool.identityType is PoolIdentity.SpecificUser) != bool(pool.userName):
            raise InputError(f"{where}.applicationPools.{name}", "expected userName with SpecificUser, and only then")
        if pool.userName and pool.userName not in scope.given.accounts:
            raise InputError(f"{where}.applicationPools.{name}.userName", f"no account is called {pool.userName!r}")
    for name, site in front_end.sites.items():
        for text in site.bindings:
            try:
                parse_binding(_resolved(scope.fill, text, f"{where}.sites.{name}.bindings", "name"))
            except ValueError as failure:
                raise InputError(f"{where}.sites.{name}.bindings", str(failure)) from failure
        for path, application in site.applications.items():
            if application.applicationPool not in front_end.applicationPools:
                raise InputError(f"{where}.sites.{name}.applications.{path}.applicationPool",
                                 f"no pool is called {application.applicationPool!r}")
            impersonate = application.impersonate
            owned = {*scope.given.users, *scope.given.accounts}
            if isinstance(impersonate, ImpersonateAs) and impersonate.userName not in owned:
                raise InputError(f"{where}.sites.{name}.applications.{path}.impersonate.userName",
                                 f"no user or account is called {impersonate.userName!r}")


def _check_when(scenario: Scenario, scope: Scope, where: str) -> None:
    when = scenario.when
    if isinstance(when, Registration):
        _resolved(scope.fill, when.register, f"{where}.when.register", "name")
        _resolved_owner(scope, when.on, f"{where}.when.on")
        if when.by != "administrator":
            _resolved_owner(scope, when.by, f"{where}.when.by")
        return
    _resolved(scope.fill, when.get, f"{where}.when.get", "name or machine")
    if when.user not in scope.given.users:
        raise InputError(f"{where}.when.user", f"no user is called {when.user!r}")
    if when.act_as:
        _resolved_owner(scope, when.act_as, f"{where}.when.act_as")
    for each in when.back_ends:
        if each not in BACK_END_SERVICES:
            raise InputError(f"{where}.when.back_ends", f"expected {', '.join(BACK_END_SERVICES)}, not {each!r}")
    if not World(scope).listens(url_of(when, scope)):
        raise InputError(f"{where}.when.get", f"nothing listens at {scope.fill(when.get)}")


def _resolved_owner(scope: Scope, label: str, where: str) -> None:
    """An account that a scenario may speak of: its own, or a member's."""
    _resolved(scope.account, label, where, "account")
    if label.rstrip("$") in scope.topology.machines.keys() - set(scope.topology.members):
        raise InputError(where, f"{label!r} is no member of the domain with an account to change")


def _check_expect(scenario: Scenario, scope: Scope, where: str) -> None:
    when, expect = scenario.when, scenario.expect
    if isinstance(when, Registration):
        if not expect.directory:
            raise InputError(f"{where}.expect.directory", "expected the LDAP result of the registration")
        return
    _resolved(scope.fill, expect.spn, f"{where}.expect.spn", "name")
    if not expect.status:
        raise InputError(f"{where}.expect.status", "expected the HTTP status the client ends with")
    told = [*expect.sees, *expect.fails]
    if sorted(told) != (sorted(set(when.back_ends)) if expect.status == 200 else []):
        raise InputError(f"{where}.expect", "expected `sees` or `fails` for each back end that is asked, and no other")


def _resolved(resolve: Any, text: str, where: str, kind: str) -> str:
    try:
        return str(resolve(text))
    except KeyError as failure:
        raise InputError(where, f"no {kind} is called {failure}") from failure
