"""One scenario from start to verdict."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from doublehop import directory
from doublehop.errors import LabError, Refused
from doublehop.frontend import FrontEnd, ImpersonateAs, PoolIdentity
from doublehop.lab import Lab, new_password, user_secret
from doublehop.model import (
    Observation,
    Registration,
    Request,
    Result,
    Role,
    Scenario,
    Verdict,
    VerdictKind,
)
from doublehop.probe import observe, register
from doublehop.scope import Scope, scope_of
from doublehop.verdict import judge


def execute(scenario: Scenario, lab: Lab) -> Result:
    """Bring the lab into the scenario's configuration, make its request, judge, and take everything back.

    A failure of the lab is the verdict *broken*, and the lab says so from then on.
    """
    started = time.monotonic()
    observation: Observation | None = None
    try:
        with applied(scenario, lab) as standing:
            observation = _probe(scenario, standing, lab)
        verdict = judge(scenario.expect, observation, standing.scope)
    except LabError as failure:
        if not isinstance(failure, Refused):
            lab.broken = lab.broken or str(failure).splitlines()[0]
        verdict = Verdict(kind=VerdictKind.BROKEN, reason=str(failure))
    return Result(scenario=scenario, verdict=verdict, observation=observation, seconds=time.monotonic() - started)


def _probe(scenario: Scenario, standing: "Applied", lab: Lab) -> Observation:
    match scenario.when:
        case Request() as request:
            return observe(request, standing.scope, lab)
        case Registration() as registration:
            return register(registration, standing.scope, standing.passwords, lab)


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """A configuration that stands: its names, and the passwords of its users and accounts by label."""

    scope: Scope
    passwords: Mapping[str, str] = field(repr=False)


@contextmanager
def applied(scenario: Scenario, lab: Lab, *, default_ccache: bool = False) -> Iterator[Applied]:
    """The lab in the scenario's configuration; leaving the context takes every change back.

    A change that cannot be taken back leaves the lab broken, because the next scenario would not start
    from the same place. With `default_ccache` the user's ticket is also in the client's default cache.
    """
    scope = scope_of(scenario.id, scenario.given, lab.topology)
    labels = [*scenario.given.users, *scenario.given.accounts]
    passwords = {label: new_password() for label in labels}
    asked = [scenario.when.register] if isinstance(scenario.when, Registration) else []
    undo = lab.change([*directory.kept(scope, asked), *directory.plan(scope, passwords)])
    try:
        _apply_to_machines(scenario, scope, lab, passwords)
        if default_ccache and isinstance(scenario.when, Request):
            user = scenario.when.user
            lab.client.ask("sign_in", principal=scope.principal(user), password=passwords[user], default=True)
        yield Applied(scope=scope, passwords=passwords)
    finally:
        _take_back(scenario, scope, lab, undo)


def _apply_to_machines(scenario: Scenario, scope: Scope, lab: Lab, passwords: dict[str, str]) -> None:
    """Bring up what is not in the directory; machines work side by side, their answers are awaited last."""
    given = scenario.given
    pending = [lab.sql.send("set_logins", add=_own_logins(scope), remove=_machines_without_login(scope))]
    pending += [lab.dc.send("plant_spn", dn=scope.dn(label), spn=scope.fill(spn))
                for label, spn in given.duplicate_spns.items()]
    for name in lab.topology.of(Role.FRONT_END):
        config = given.front_ends.get(name, FrontEnd())
        pending.append(lab.front_end(name).send("configure", **front_end_configuration(config, scope, lab, passwords)))
    if isinstance(scenario.when, Request):
        user = scenario.when.user
        pending.append(lab.client.send("sign_in", principal=scope.principal(user), password=passwords[user]))
    if given.client_hosts:
        pending.append(lab.client.send("set_hosts", hosts=_hosts(scope)))
    refusals = [each.result() for each in pending]
    for each in refusals:
        if isinstance(each, str) and each:
            raise LabError(f"a user of the scenario could not sign in: {each}")
    if not given.dc_reachable_from_client:
        lab.client.ask("cut_off", address=scope.address(lab.dc.machine.name), cut=True)


def _take_back(scenario: Scenario, scope: Scope, lab: Lab, undo: list[dict[str, Any]]) -> None:
    given = scenario.given
    try:
        if not given.dc_reachable_from_client:
            lab.client.ask("cut_off", address=scope.address(lab.dc.machine.name), cut=False)
        pending = [lab.sql.send("set_logins", add=_machines_without_login(scope), remove=_own_logins(scope))]
        if isinstance(scenario.when, Request):
            pending.append(lab.client.send("sign_out", principal=scope.principal(scenario.when.user)))
        if given.client_hosts:
            pending.append(lab.client.send("set_hosts", hosts={}))
        lab.change(undo)
        for each in pending:
            each.result()
    except LabError as failure:
        lab.broken = f"could not take {scenario.id} back: {failure}"
        raise


def _own_logins(scope: Scope) -> list[str]:
    """The scenario's users and accounts that may log in to the database."""
    given = scope.given
    return [scope.account(label) for label, facts in {**given.users, **given.accounts}.items() if facts.sql_login]


def _machines_without_login(scope: Scope) -> list[str]:
    """Machines log in to the database unless the scenario says otherwise."""
    return [scope.account(name) for name, facts in scope.given.computers.items() if not facts.sql_login]


def _hosts(scope: Scope) -> dict[str, str]:
    return {scope.fill(name): scope.address(machine) for name, machine in scope.given.client_hosts.items()}


def front_end_configuration(config: FrontEnd, scope: Scope, lab: Lab, passwords: dict[str, str]) -> dict[str, Any]:
    """What a web server's agent is told: the configuration with full names, and its accounts' secrets."""
    pools = config.applicationPools.values()
    accounts = {each.userName for each in pools if each.identityType is PoolIdentity.SpecificUser}
    fixed = {
        each.impersonate.userName
        for site in config.sites.values() for each in site.applications.values()
        if isinstance(each.impersonate, ImpersonateAs)
    }
    versions = {label: _key_version(label, scope, lab) for label in sorted(accounts)}
    secrets = {label: user_secret(lab.topology, scope.account(label), versions[label], passwords[label])
               for label in accounts}
    return {
        "config": _filled(dataclasses.asdict(config), scope),
        "accounts": {label: secret.as_key() for label, secret in secrets.items()},
        "fixed": {label: {"principal": scope.principal(label), "password": passwords[label]} for label in fixed},
    }


def _filled(tree: Any, scope: Scope) -> Any:
    if isinstance(tree, dict):
        return {key: _filled(value, scope) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_filled(each, scope) for each in tree]
    return scope.fill(tree) if isinstance(tree, str) else tree


def _key_version(label: str, scope: Scope, lab: Lab) -> int:
    read = lab.client.ask("read", dn=scope.dn(label), attributes=["msDS-KeyVersionNumber"])
    return int(read["msDS-KeyVersionNumber"][0])
