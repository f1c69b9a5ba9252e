"""One scenario from start to verdict."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from doublehop import directory, dotnet, partner
from doublehop.certificates import certify
from doublehop.errors import LabError, Refused
from doublehop.frontend import FrontEnd, ImpersonateAs, PoolIdentity
from doublehop.lab import Lab, managed_account, new_password, user_secret
from doublehop.model import (
    Logged,
    Need,
    Observation,
    Registration,
    Request,
    RestrictNtlm,
    Result,
    Scenario,
    Trust,
    Verdict,
    VerdictKind,
)
from doublehop.probe import logged, observe, register
from doublehop.scope import Scope, scope_of, web_servers
from doublehop.verdict import judge


def execute(scenario: Scenario, lab: Lab) -> Result:
    """Bring the lab into the scenario's configuration, make its request, judge, and take everything back.

    A failure of the lab is the verdict *broken*, and the lab says so from then on.
    """
    started = time.monotonic()
    observation: Observation | None = None
    noted: list[Logged] = []
    try:
        with applied(scenario, lab) as standing, ExitStack() as unless_agreed:
            unless_agreed.callback(lambda: noted.extend(_logged(scenario, standing, lab)))
            observation = _probe(scenario, standing, lab)
            verdict = judge(lab.expected(scenario), observation, standing.scope)
            if verdict.kind is VerdictKind.AGREED:
                unless_agreed.pop_all()
    except Refused as failure:
        verdict = Verdict(kind=VerdictKind.BROKEN, reason=str(failure))
    except LabError as failure:
        cause = lab.cause_of(failure)
        if cause is not failure or not lab.broken:
            lab.broken = str(cause).splitlines()[0]
        verdict = Verdict(kind=VerdictKind.BROKEN, reason=str(cause))
    return Result(scenario=scenario, verdict=verdict, observation=observation, logged=tuple(noted),
                  seconds=time.monotonic() - started)


def _probe(scenario: Scenario, standing: "Applied", lab: Lab) -> Observation:
    match scenario.when:
        case Request() as request:
            return observe(request, standing.scope, standing.passwords, lab)
        case Registration() as registration:
            return register(registration, standing.scope, standing.passwords, lab)


def _logged(scenario: Scenario, standing: "Applied", lab: Lab) -> tuple[Logged, ...]:
    """What machines noted of a request, while they are still configured for it; nobody asks them for a registration."""
    return logged(scenario.when, standing.scope, lab) if isinstance(scenario.when, Request) else ()


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
    if Need.TRUST in scenario.needs:
        partner.bring_up(lab)
    if Need.DOTNET in scenario.needs:
        dotnet.bring(lab.client.machine, "client")
    labels = [*scenario.given.users, *scenario.given.accounts]
    passwords = lab.passwords(scope, labels)
    asked = [scenario.when.register] if isinstance(scenario.when, Registration) else []
    undo = lab.change([*directory.kept(scope, asked), *directory.plan(scope, passwords)])
    with ExitStack() as clocks:
        try:
            if scenario.given.trust != Trust():
                partner.set_trust(lab, scenario.given.trust)
            for name in scenario.given.clocks:
                clocks.enter_context(lab.own_clock(name))
            _apply_to_machines(scenario, scope, lab, passwords)
            if default_ccache and isinstance(scenario.when, Request):
                user = scenario.when.user
                lab.client.ask("sign_in", principal=scope.principal(user), password=passwords[user], default=True)
            undo[:0] = _happen(scenario, scope, lab, passwords)
            yield Applied(scope=scope, passwords=passwords)
        except Refused:
            raise  # the lab is whole
        except LabError as failure:
            lab.broken = str(failure).splitlines()[0]
            raise
        finally:
            if not lab.broken:  # a failed lab is thrown away, not tidied
                _take_back(scenario, scope, lab, undo)


def _happen(scenario: Scenario, scope: Scope, lab: Lab, passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    """What happens once users have signed in and services have started; gives how to take changes back."""
    given = scenario.given
    if given.after_sign_in or given.clocks or given.dc_unreachable_from:
        pending = [lab.front_end(name).send("start_services", ntlm=Need.NTLM in scenario.needs)
                   for name in web_servers(given, scenario.when, lab.topology)]
        for each in pending:
            each.result()
    undo = _change_after_sign_in(scope, lab, passwords)
    for name, by in given.clocks.items():
        lab.front_end(name).ask("set_clock", by=by)
    if _denies_ntlm(scenario):
        lab.restrict_ntlm(deny=True)
    _cut_off(scope, lab, cut=True)
    return undo


def _change_after_sign_in(scope: Scope, lab: Lab, passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    """What happens in the directory once keytabs are made and users have signed in; gives how to take it back."""
    if not scope.given.after_sign_in:
        return []
    reset = [label for label, each in scope.given.after_sign_in.items() if each.password_reset]
    before = {label: passwords[label] if label in passwords else lab.secrets[scope.account(label)].password
              for label in reset}
    return lab.change(directory.plan_after_sign_in(scope, before, {label: new_password() for label in reset}))


def _denies_ntlm(scenario: Scenario) -> bool:
    return scenario.given.restrict_ntlm_in_this_domain is RestrictNtlm.DENY_ALL


def _cut_off(scope: Scope, lab: Lab, *, cut: bool) -> None:
    for name in scope.given.dc_unreachable_from:
        lab.front_end(name).ask("cut_off", address=scope.address(lab.dc.machine.name), cut=cut)


def _browsing(scenario: Scenario) -> list[str]:
    """Who signs in at the client: whoever asks for a page there."""
    when = scenario.when
    return [each for each in (when.user, when.after) if each] if isinstance(when, Request) else []


def _apply_to_machines(scenario: Scenario, scope: Scope, lab: Lab, passwords: dict[str, str]) -> None:
    """Bring up what is not in the directory; machines work side by side, their answers are awaited last."""
    given = scenario.given
    pending = [each.send("set_logins", add=_own_logins(scope), remove=_machines_without_login(scope))
               for each in lab.databases]
    pending += [lab.front_end(name).send("set_credential_guard", on=True) for name in given.credential_guard_on]
    pending += [lab.dc.send("plant_spn", dn=scope.dn(label), spn=scope.fill(spn))
                for label, spn in given.duplicate_spns.items()]
    pending += [lab.dc.send("forget_aes_keys", dn=scope.dn(label))
                for label, facts in given.accounts.items() if not facts.aes_keys]
    for name in web_servers(given, scenario.when, lab.topology):
        config = given.front_ends.get(name, FrontEnd())
        certify(name, config, scope, lab)
        pending.append(lab.front_end(name).send("configure", **front_end_configuration(config, scope, lab, passwords)))
    pending += [lab.front_end(name).send("set_proxy", to=_address_of(each.to, scope), port=each.port,
                                         affinity=each.connection_affinity)
                for name, each in given.proxies.items()]
    pending += [lab.client.send("sign_in", principal=scope.principal(label), password=passwords[label])
                for label in _browsing(scenario)]
    if given.client_hosts:
        pending.append(lab.client.send("set_hosts", hosts=_hosts(scope)))
    refusals = [each.result() for each in pending]
    for each in refusals:
        if isinstance(each, dict) and "refused" in each:
            raise Refused(each["refused"])
        if isinstance(each, str) and each:
            raise LabError(f"a user of the scenario could not sign in: {each}")


def _take_back(scenario: Scenario, scope: Scope, lab: Lab, undo: list[dict[str, Any]]) -> None:
    given = scenario.given
    try:
        _cut_off(scope, lab, cut=False)
        if _denies_ntlm(scenario):
            lab.restrict_ntlm(deny=False)
        pending = [
            *(each.send("set_logins", add=_machines_without_login(scope), remove=_own_logins(scope))
              for each in lab.databases),
            *(lab.client.send("sign_out", principal=scope.principal(each)) for each in _browsing(scenario)),
        ]
        pending += [lab.front_end(name).send("set_proxy") for name in given.proxies]
        pending += [lab.front_end(name).send("set_credential_guard", on=False) for name in given.credential_guard_on]
        if given.client_hosts:
            pending.append(lab.client.send("set_hosts", hosts={}))
        lab.change(undo)
        if given.trust != Trust():
            partner.set_trust(lab, Trust())
        for each in pending:
            each.result()
    except LabError as failure:
        lab.broken = f"could not take {scenario.id} back: {failure}"
        raise


def _own_logins(scope: Scope) -> list[str]:
    """The scenario's users and accounts that may log in to the database."""
    given = scope.given
    return [scope.login(label) for label, facts in {**given.users, **given.accounts}.items() if facts.sql_login]


def _machines_without_login(scope: Scope) -> list[str]:
    """Machines log in to the database unless the scenario says otherwise."""
    return [scope.account(name) for name, facts in scope.given.computers.items() if not facts.sql_login]


def _address_of(url: str, scope: Scope) -> str:
    """A proxy's `to` with the machine's address, so that the proxy asks no name server."""
    scheme, _, machine = url.partition("://")
    return f"{scheme}://{scope.address(machine)}"


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
    managed = {label for label in accounts if scope.given.accounts[label].managed}
    secrets = {label: user_secret(lab.topology, scope.account(label), versions[label], passwords[label])
               for label in accounts - managed}
    return {
        "config": _filled(dataclasses.asdict(config), scope),
        "accounts": {label: {**secret.as_key(),
                             "encryption_types": scope.given.accounts[label].keytab_encryption_types}
                     for label, secret in secrets.items()},
        "managed": {label: {**managed_account(lab.topology, scope.account(label), versions[label]),
                            "dn": scope.dn(label)} for label in managed},
        "fixed": {label: {"principal": scope.principal(label), "password": passwords[label]} for label in fixed},
        "pages": {name: scope.page(name) for name in scope.given.back_ends},
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
