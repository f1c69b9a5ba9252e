"""A run of scenarios against an environment that already stands: nothing is applied, and nothing is taken back.

A scenario whose given is not seen to hold is *not run* and says which fact differs. One whose given holds makes its
request, and its verdict comes about as in a lab.
"""

import dataclasses
import getpass
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doublehop import facts, holding, inventory, inventory_file
from doublehop.errors import HostError, InputError, LabError
from doublehop.inventory import AccountRole
from doublehop.kdclog import parse
from doublehop.lab import Agent, Lab
from doublehop.model import KdcLine, Observation, Registration, Request, Result, Role, Scenario, Verdict, VerdictKind
from doublehop.probe import ask_for, back_ends_saw, front_end_saw, page_of, url_of
from doublehop.providers import Machine, Progress
from doublehop.providers.existing import NOTHING_TO_START, ExistingProvider, visitor
from doublehop.rules.world import url_at
from doublehop.scope import Scope, scope_of
from doublehop.session import Session
from doublehop.topology import Topology
from doublehop.verdict import judge
from doublehop.wait import until

MODULE = "doublehop.machine.visitor"
KERBEROS, LDAPS = 88, 636
LOG_SECONDS = 5
OK = 200
REMEDIES = {
    "KDC_ERR_PREAUTH_FAILED": "the password is wrong",
    "SIGN_IN_FAILED": "the password is wrong",
    "KDC_ERR_KEY_EXPIRED": "the password has expired, and is changed by its owner",
    "KDC_ERR_CLIENT_REVOKED": "the account is disabled or locked",
    "KDC_ERR_C_PRINCIPAL_UNKNOWN": "the domain has no such account",
    "NO_KDC_REACHABLE": "no KDC answers",
    "KRB_AP_ERR_SKEW": "this machine's clock is more than five minutes off the domain's",
}
"""What keeps somebody from signing in, by the Kerberos error."""


class NotRun(Exception):
    """The scenario cannot be asked of this environment; the text says which fact differs."""


class Visit(Session):
    """Runs scenarios read-only; the client is started by the first of them."""

    provider: ExistingProvider

    def __init__(self, lab: Topology, path: Path, progress: Progress) -> None:
        self.path = path
        self.inventory = inventory_file.load(path, lab)
        super().__init__(ExistingProvider(self.inventory), inventory.topology(self.inventory, lab), progress)
        self._lab_topology = lab
        self._passwords = {key: self._password(key, variable) for key, variable in self._credentials().items()}
        self._agent: Agent | None = None
        self._failed = ""
        self._silent: dict[str, str] = {}

    def _credentials(self) -> dict[str, str]:
        """Who has to prove who they are, with the variables that hold their passwords."""
        told = self.inventory
        users = {f"accounts.{name}": each.password_env for name, each in told.accounts.items()
                 if each.role is AccountRole.USER}
        return users | ({"reader": told.reader.password_env} if told.reader and told.domain.ldap else {})

    def _password(self, key: str, variable: str) -> str:
        """A password from the environment, or from whoever sits at the terminal."""
        if variable and os.environ.get(variable):
            return os.environ[variable]
        if sys.stdin is not None and sys.stdin.isatty():
            return getpass.getpass(f"password of {key} in {self.path}: ")
        where = f"{self.path}: {key}.{inventory.FROM_ENVIRONMENT}"
        if not variable:
            raise InputError(where, "this key is missing, and there is no terminal to ask at: name the environment "
                                    "variable that holds the password")
        raise InputError(where, f"the environment variable {variable} is not set, and there is no terminal to ask at")

    def lab(self) -> Lab:
        """Refused: none of its machines are ours."""
        raise HostError(NOTHING_TO_START)

    def run(self, scenario: Scenario) -> Result:
        """Run one scenario if what it gives holds.

        Raises HostError when nothing can be asked of this environment at all.
        """
        started = time.monotonic()
        observation: Observation | None = None
        try:
            self._runnable(scenario)
            observation, verdict = self._asked(scenario, self._client())
        except NotRun as reason:
            verdict = Verdict(kind=VerdictKind.NOT_RUN, reason=str(reason))
        except LabError as failure:
            verdict = Verdict(kind=VerdictKind.BROKEN, reason=str(failure))
        seconds = time.monotonic() - started if observation else 0.0
        return Result(scenario=scenario, verdict=verdict, observation=observation, seconds=seconds)

    def _runnable(self, scenario: Scenario) -> None:
        """Whether the scenario asks for nothing but looking."""
        if isinstance(scenario.when, Registration):
            raise NotRun("the scenario writes into the directory, and nothing is written here")
        told = facts.cannot_hold(scenario.given) or holding.unnamed(scenario, self.inventory, self._lab_topology)
        missing = [each.value for each in scenario.needs if each not in self.provider.offers]
        if not told and missing:
            told = [f"what already stands cannot be made to have {', '.join(missing)}"]
        if told:
            raise NotRun("\n".join(told))

    def _client(self) -> Agent:
        """The client, once the domain controller answers and everybody has signed in."""
        if self._failed:
            raise HostError(self._failed)
        if self._agent is None:
            try:
                self._agent = self._started()
            except (HostError, LabError) as failure:
                self._failed = str(failure)
                self._down()
                raise HostError(self._failed) from failure
        return self._agent

    def _started(self) -> Agent:
        problems = self.provider.check()
        if problems:
            raise HostError("; ".join(problems))
        self.progress(f"looking at {self.inventory.domain.realm}")
        name = self._lab_topology.only(Role.CLIENT)
        machine: Machine = self._stack.enter_context(
            visitor(name, self.inventory, self.path.parent, self._lab_topology, self.progress))
        agent = Agent(machine, module=MODULE)
        self._stack.callback(agent.close)
        agent.ask("start")
        domain = self.inventory.domain
        for key, host, port in (("kdc", domain.kdc, KERBEROS), ("ldap", domain.ldap, LDAPS)):
            silent = agent.ask("reach", host=host, port=port) if host else ""
            if silent:
                raise self._refused(f"domain.{key}", f"nothing answers at {host} port {port} ({silent})")
        mark = self._log_mark()
        for key in self._passwords:
            self._sign_in(agent, key)
        if domain.kdc_log and self._passwords:
            self._check_log(mark)
        if domain.ldap:
            told = self._look(agent, [], [])
            if "refused" in told:
                raise self._refused("domain.ldap", f"{domain.ldap} does not let {self._principal('reader')} read: "
                                    f"{told['refused']}")
        return agent

    def _refused(self, key: str, problem: str) -> HostError:
        return HostError(f"{self.path}: {key}: {problem}")

    def _account(self, key: str) -> str:
        told = self.inventory
        if key == "reader":
            assert told.reader is not None
            return told.reader.account
        return told.accounts[key.partition(".")[2]].account

    def _principal(self, key: str) -> str:
        return f"{self._account(key)}@{self.inventory.domain.realm}"

    def _sign_in(self, agent: Agent, key: str) -> None:
        principal = self._principal(key)
        refusal = agent.ask("sign_in", principal=principal, password=self._passwords[key])
        if refusal:
            why = REMEDIES.get(refusal["error"], refusal["native"])
            raise self._refused(key, f"{principal} cannot sign in: {why} ({refusal['error']})")

    def _look(self, agent: Agent, accounts: list[str], hosts: list[str]) -> dict[str, Any]:
        realm = self.inventory.domain.realm
        told: dict[str, Any] = agent.ask(
            "look", ldap=self.inventory.domain.ldap, user=f"{self._account('reader')}@{realm.lower()}",
            password=self._passwords["reader"], base=self.topology.base_dn, accounts=accounts, hosts=hosts)
        return told

    def _asked(self, scenario: Scenario, agent: Agent) -> tuple[Observation, Verdict]:
        """See whether the given holds, make the request, and judge."""
        assert isinstance(scenario.when, Request)
        scope = scope_of(scenario.id, scenario.given, self.topology)
        wants, held = facts.wanted(scenario, scope), self._held(scenario, scope, agent)
        differ = facts.differences(wants, held)
        if differ:
            raise NotRun("\n".join(differ))
        where = holding.place(scenario, self._lab_topology)
        self._page_is_as_stated(scenario.when, scope, where, agent)
        observation = self._observed(scenario.when, scope, agent)
        differ = [each for each in (
            holding.page_contradicts(where, page_of(observation.client), scope),
            holding.ticket_contradicts(observation.client, where, self.inventory)) if each]
        if differ:
            raise NotRun("\n".join(differ))
        verdict, unseen = holding.within_sight(judge(scenario.expect, observation, scope),
                                               kdc_log=bool(self.inventory.domain.kdc_log),
                                               active_directory=bool(self.inventory.domain.ldap))
        reason = "\n".join(holding.told(facts.taken(wants, held), unseen))
        return observation, dataclasses.replace(verdict, reason=reason)

    def _held(self, scenario: Scenario, scope: Scope, agent: Agent) -> Mapping[facts.Key, facts.Held]:
        names = agent.ask("resolve", names=holding.lookups(scenario, scope))
        directory = None
        if self.inventory.domain.ldap:
            labels = {**scenario.given.users, **scenario.given.accounts, **facts.computers(scenario, scope)}
            directory = self._look(agent, [scope.account(each) for each in labels], facts.hosts(scenario, scope))
            if "refused" in directory:
                raise LabError(f"the directory of {self.inventory.domain.ldap} cannot be read: {directory['refused']}")
        return {**holding.stated(scenario, self.inventory, scope),
                **holding.seen(scenario, self.inventory, scope, names, directory)}

    def _page_is_as_stated(self, request: Request, scope: Scope, where: Any, agent: Agent) -> None:
        """Ask the page once without a proof; what it wants to have proven is a fact of its configuration."""
        url = url_of(request, scope)
        if url_at(url).host in self._silent:
            raise LabError(self._silent[url_at(url).host])
        told = agent.ask("offers", url=url.partition("?")[0])
        if "unreachable" in told:
            self._silent[url_at(url).host] = f"the front end does not answer: {told['unreachable']}"
            raise LabError(self._silent[url_at(url).host])
        if "unresolved" in told:
            return  # that the scenario gives it no record was seen before
        differs = holding.offers_contradict(where, told, url.partition("?")[0])
        if differs:
            raise NotRun(differs)

    def _observed(self, request: Request, scope: Scope, agent: Agent) -> Observation:
        """Make the request with fresh tickets, and gather what is to be seen of it."""
        passwords = {name: self._passwords.get(f"accounts.{name}", "") for name in self.inventory.accounts}
        mark = self._log_mark()
        for each in filter(None, (request.user, request.after)):
            self._sign_in(agent, f"accounts.{each}")
        if request.after:
            before = ask_for(request.after, request, scope, passwords, agent)
            if before.status != OK:
                raise LabError(f"{request.after} was to have the page before {request.user}, but got {before.status}")
        client = ask_for(request.user, request, scope, passwords, agent)
        wrong = holding.not_the_contract(client.body) if client.status == OK else ""
        if wrong:
            raise LabError(f"{url_of(request, scope)} is not the page that scenarios ask for: {wrong} "
                           "(lab/contract/whoami.schema.json)")
        page = page_of(client)
        for name, saw in page.get("back_ends", {}).items():
            if saw.get("error") == "BACK_END_UNREACHABLE":
                raise LabError(f"back end {name} is not there: {saw['native']}")
        return Observation(
            client=client, front_end=front_end_saw(page, ()), back_ends=back_ends_saw(page, scope, ()),
            kdc=self._kdc_lines(agent, mark) if self.inventory.domain.kdc_log
            else holding.as_the_client_knows(client, scope.principal(request.user)))

    @property
    def _log(self) -> Path:
        return self.path.parent / self.inventory.domain.kdc_log

    def _log_mark(self) -> int:
        return self._log.stat().st_size if self.inventory.domain.kdc_log else 0

    def _log_since(self, mark: int) -> tuple[KdcLine, ...]:
        with self._log.open("rb") as file:
            file.seek(mark)
            return tuple(parse(file.read().decode(errors="replace")))

    def _check_log(self, mark: int) -> None:
        """Everybody has just signed in, so the KDC's log has to tell of the last one."""
        try:
            self._until_told(mark)
        except LabError as failure:
            raise self._refused("domain.kdc_log", f"people signed in, and {self._log} tells nothing of it within "
                                f"{LOG_SECONDS} s: it has to be Samba's KDC log at `log level = kerberos:5`, or be "
                                "left out") from failure

    def _kdc_lines(self, agent: Agent, mark: int) -> tuple[KdcLine, ...]:
        """What the KDC logged since; a log comes from elsewhere, so one more sign-in shows that it is all there."""
        self._sign_in(agent, self._last)
        return tuple(each for each in self._until_told(mark) if each.kind != "AS")

    @property
    def _last(self) -> str:
        """Whose sign-in ends a stretch of the log: the reader's, who asks for no pages."""
        return list(self._passwords)[-1]

    def _until_told(self, mark: int) -> tuple[KdcLine, ...]:
        """The log since a mark, once it tells of that sign-in."""
        account = self._account(self._last).lower()

        def told() -> tuple[KdcLine, ...] | None:
            found = self._log_since(mark)
            ends = any(each.kind == "AS" and not each.error and each.client.lower() == account for each in found)
            return found if ends else None

        return until(f"{self._last}'s sign-in in the KDC's log", LOG_SECONDS, told)

    def _down(self) -> None:
        self._agent = None
        super()._down()
