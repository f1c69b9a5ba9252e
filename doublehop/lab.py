"""A running lab: its machines' agents, its secrets, and what can be asked of it.

A lab is either whole or broken. What breaks it is raised as LabError and remembered, so that later
scenarios are *not run* instead of failing for the wrong reason.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from doublehop import directory, dotnet, releases
from doublehop.errors import AgentFailed, LabError, MachineDied, Refused
from doublehop.front_ends import REFERENCE, Kind, platform_of, standing
from doublehop.model import Expect, Need, Role, Scenario
from doublehop.providers import Machine, Progress, Provider
from doublehop.run import DuplexStream
from doublehop.scope import Scope
from doublehop.topology import Topology

ANSWER_SECONDS = 40
MODULES = {
    Role.DOMAIN_CONTROLLER: "doublehop.machine.dc",
    Role.FRONT_END: "doublehop.machine.web",
    Role.BACK_END: "doublehop.machine.sql",
    Role.CLIENT: "doublehop.machine.client",
}
ADMINISTRATOR = "Administrator"
OWN_CLOCK = ("LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "FAKETIME_NO_CACHE=1",
             "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_TIMESTAMP_FILE=/run/clock")
"""How a process reads the time from a clock that can be set; without that file it is right."""


class Agent:
    """The agent of one machine: operations by name, answers or LabError.

    With a clock of its own it can live at another time than the rest of the lab (`set_clock`).
    """

    def __init__(self, machine: Machine, *, own_clock: bool = False, module: str = "") -> None:
        self.machine = machine
        shifted = ("env", *OWN_CLOCK) if own_clock else ()
        self._stream: DuplexStream = machine.open(*shifted, "python3", "-m", module or MODULES[machine.role])
        self._asked = 0
        self._answers: dict[int, Any] = {}
        self._answered = 0

    def send(self, operation: str, **arguments: Any) -> "Pending":
        """Ask without waiting for the answer; several machines can work at once."""
        self._stream.send(json.dumps({"op": operation, "args": arguments}).encode() + b"\n")
        self._asked += 1
        return Pending(self, operation, self._asked)

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Ask, and wait for the answer.

        Raises MachineDied, AgentFailed or Deadline.
        """
        return self.send(operation, **arguments).result()

    def answer(self, number: int, operation: str) -> Any:
        """The answer to the request of this number; they come in order, and early ones are kept."""
        while self._answered < number:
            line = self._stream.receive(ANSWER_SECONDS)
            if line is None:
                raise MachineDied(self.machine.name, self._stream.log())
            self._answered += 1
            self._answers[self._answered] = json.loads(line)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AgentFailed(self.machine.name, operation, answer["error"])
        return answer["ok"]

    def log(self) -> list[str]:
        """The agent's last log lines."""
        return self._stream.log()

    def close(self) -> None:
        """End the agent."""
        self._stream.close()


@dataclass(frozen=True, slots=True)
class Pending:
    """An answer that is still to come."""

    agent: Agent
    operation: str
    number: int

    def result(self) -> Any:
        """Wait for it."""
        return self.agent.answer(self.number, self.operation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """An account's password with what is needed to derive its key; its text never shows in a repr."""

    account: str
    principal: str
    salt: str
    kvno: int
    password: str = field(repr=False)

    def as_key(self) -> dict[str, Any]:
        """What an agent is told to derive the key."""
        return {"name": self.account, "principal": self.principal, "salt": self.salt, "kvno": self.kvno,
                "password": self.password}


@dataclass(kw_only=True)
class Lab:
    """The running machines of one topology. Get one from `up`."""

    topology: Topology
    provider: str
    versions: Mapping[str, str]
    has: frozenset[Need]
    machines: dict[str, Machine]
    agents: dict[str, Agent]
    secrets: dict[str, Secret]
    add: Callable[[Topology], Mapping[str, Machine]] = field(repr=False)
    kind: Kind = REFERENCE
    started: Mapping[str, Mapping[str, Any]] = field(repr=False)
    standing: dict[str, str] = field(default_factory=dict, repr=False)
    keeps_logs: bool = False
    broken: str = ""

    def expected(self, scenario: Scenario) -> Expect:
        """What the lab's front ends should have a scenario come to."""
        return self.kind.expected(scenario, self.topology, platform_of(self.has))

    @property
    def dc(self) -> Agent:
        """The domain controller's agent."""
        return self.agents[self.topology.only(Role.DOMAIN_CONTROLLER)]

    @property
    def client(self) -> Agent:
        """The client's agent, which also carries directory changes."""
        return self.agents[self.topology.only(Role.CLIENT)]

    @property
    def sql(self) -> Agent:
        """The back end's agent."""
        return self.agents[self.topology.only(Role.BACK_END)]

    @property
    def partner(self) -> Agent | None:
        """The second domain's controller, once it is there."""
        return self.agents.get(self.topology.across.only(Role.DOMAIN_CONTROLLER))

    @property
    def databases(self) -> list[Agent]:
        """The agents of every back end that is there."""
        return [each for each in self.agents.values() if each.machine.role is Role.BACK_END]

    def change(self, changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Change the directory; gives the changes that take it back.

        Raises Refused when the directory will not hold them.
        """
        answer = self.client.ask("change", changes=changes)
        if "refused" in answer:
            raise Refused(f"the directory refused what the scenario gives: {answer['refused']}")
        undo: list[dict[str, Any]] = answer["undo"]
        return undo

    def passwords(self, scope: Scope, labels: Iterable[str]) -> dict[str, str]:
        """A new password for each of these accounts; a user who stands in this lab keeps his."""
        return {label: self.standing.setdefault(label, new_password()) if scope.stands(label) else new_password()
                for label in labels}

    @contextmanager
    def own_clock(self, name: str) -> Iterator[None]:
        """A machine whose clock can go wrong: another agent stands in for its own, which is left as it is."""
        own = self.front_end(name)
        if own.machine.role is Role.FRONT_END:
            own.ask("stop_services")
        other = Agent(own.machine, own_clock=True)
        try:
            other.ask("start", **self.started[name])
            self.agents[name] = other
            yield
            other.ask("set_clock", by="")
            if own.machine.role is Role.FRONT_END:
                other.ask("stop_services")
        finally:
            self.agents[name] = own
            other.close()

    def cause_of(self, failure: LabError) -> LabError:
        """What a domain controller that is gone says itself, where others only said that they miss it."""
        if isinstance(failure, MachineDied):
            return failure
        for each in filter(None, (self.dc, self.partner)):
            try:
                each.ask("check")
            except LabError as own:
                return own
        return failure

    def restrict_ntlm(self, *, deny: bool) -> None:
        """Have the domain controller refuse NTLM, or take it again; it is started anew for that.

        Samba takes a simple bind for NTLM too, so an administrator is back only when NTLM is.
        """
        name = self.topology.only(Role.DOMAIN_CONTROLLER)
        self.dc.ask("restrict_ntlm", address=str(self.topology.machines[name].address), deny=deny)
        if not deny:
            self.client.ask("reconnect")

    def front_end(self, name: str) -> Agent:
        """The agent of a web server, which is started when it is first asked for; others' agents as they are."""
        if name not in self.agents:
            self.agents[name] = Agent(self.machines[name])
            self.agents[name].ask("start", **self.started[name])
        return self.agents[name]

    def wait_for_all(self) -> "Lab":
        """The same lab, once every machine stands."""
        for name in self.started:
            self.front_end(name)
        return self


def new_password() -> str:
    """A random password that any complexity policy takes."""
    return f"{secrets.token_urlsafe(18)}aA1!"


def computer_secret(topology: Topology, machine: str, kvno: int, password: str) -> Secret:
    """A computer account's secret; its salt is MS-KILE 3.1.1.2's for computers."""
    return Secret(
        account=f"{machine.upper()}$", principal=f"{machine.upper()}$@{topology.realm}",
        salt=f"{topology.realm}host{topology.fqdn(machine)}", kvno=kvno, password=password,
    )


def user_secret(topology: Topology, account: str, kvno: int, password: str) -> Secret:
    """A user account's secret; the salt is realm and account name."""
    return Secret(account=account, principal=f"{account}@{topology.realm}", salt=f"{topology.realm}{account}",
                  kvno=kvno, password=password)


def managed_account(topology: Topology, account: str, kvno: int) -> dict[str, Any]:
    """What derives a gMSA's keys but for its password; its salt is that of a computer (MS-KILE 3.1.1.2)."""
    host = f"{account.removesuffix('$').lower()}.{topology.dns}"
    return {"name": account, "principal": f"{account}@{topology.realm}", "salt": f"{topology.realm}host{host}",
            "kvno": kvno}


def provision(machine: Machine, topology: Topology) -> None:
    """Have a machine's agent make the state it will start from."""
    arguments: dict[Role, dict[str, Any]] = {
        Role.BACK_END: {},
        Role.DOMAIN_CONTROLLER: {
            "realm": topology.realm, "domain": topology.domain, "host": machine.name,
            "address": str(topology.machines[machine.name].address), "smb_conf": topology.smb_conf(),
            "password": new_password(),
            "functional_level": topology.functional_level, "base_schema": topology.base_schema,
            "computers": [{"name": each, "spns": topology.machines[each].spns} for each in topology.members],
            "records": [directory.address_record(topology, name, each.address)
                        for name, each in topology.machines.items() if name != machine.name],
        },
    }
    agent = Agent(machine)
    try:
        agent.ask("provision", **arguments[machine.role])
    finally:
        agent.close()


@contextmanager
def up(provider: Provider, topology: Topology, progress: Progress, kind: Kind = REFERENCE) -> Iterator[Lab]:
    """Bring a lab up, with front ends of a kind; leaving the context takes it down.

    Web servers but the first start when they are first asked for, which few scenarios do.
    """
    kind = standing(kind, provider.offers)
    with provider.up(topology, provision, progress) as site:
        topology, machines = site.topology, dict(site.machines)
        agents: dict[str, Agent] = {}
        if kind.built:
            bring = dotnet.bring_to_windows if Need.WINDOWS in kind.needs else dotnet.bring
            for name in topology.of(Role.FRONT_END):
                bring(machines[name], "core", dotnet.ASPNETCORE)
        try:
            progress("starting the domain")
            passwords = {ADMINISTRATOR: new_password(),
                         **{f"{each.upper()}$": new_password() for each in topology.members}}
            about = _prepared(topology, machines, agents, passwords)
            secrets_made, arguments = _start(topology, agents, kind, passwords, about)
            yield Lab(
                topology=topology, provider=provider.name, versions=provider.versions(topology),
                has=provider.offers - releases.lacking(topology).keys(),
                machines=machines, agents=agents, secrets=secrets_made, started=arguments, add=site.add, kind=kind,
                keeps_logs=site.keeps_logs,
            )
        finally:
            for each in agents.values():
                each.close()


def _prepared(topology: Topology, machines: Mapping[str, Machine], agents: dict[str, Agent],
              passwords: Mapping[str, str]) -> Mapping[str, Any]:
    """Have the domain controller get ready for these passwords, and load the other agents meanwhile.

    They load one after the other: what all wait for is the domain controller, which needs a processor for itself.
    Gives what the domain controller says of its domain.
    """
    dc, later = topology.only(Role.DOMAIN_CONTROLLER), topology.of(Role.FRONT_END)[1:]
    agents[dc] = Agent(machines[dc])
    preparing = agents[dc].send("prepare", **topology.place(dc), host=dc, realm=topology.realm,
                                domain=topology.domain, passwords=passwords)
    for name in [each for each in machines if each not in {dc, *later}]:
        agents[name] = Agent(machines[name])
        agents[name].ask("ready")
    about: Mapping[str, Any] = preparing.result()
    return about


def _start(topology: Topology, agents: Mapping[str, Agent], kind: Kind, passwords: Mapping[str, str],
           about: Mapping[str, Any]) -> tuple[dict[str, Secret], dict[str, dict[str, Any]]]:
    """Start the services of these machines, in parallel where one does not need the other.

    Gives the secrets made, and what each machine of the topology is started with.
    """
    dc, client = topology.only(Role.DOMAIN_CONTROLLER), topology.only(Role.CLIENT)
    sql = topology.only(Role.BACK_END)
    versions = about["versions"]
    own = {each: computer_secret(topology, each, versions[f"{each.upper()}$"], passwords[f"{each.upper()}$"])
           for each in topology.members}
    across = topology.across
    back_ends = {"sql": {"host": topology.fqdn(sql), "port": 1433},
                 "partner-sql": {"host": across.fqdn(across.only(Role.BACK_END)), "port": 1433}}
    domain = {"domain": topology.domain, "realm": topology.realm, "sid": about["sid"]}
    arguments: dict[str, dict[str, Any]] = {dc: {"address": str(topology.machines[dc].address)}}
    for each in topology.of(Role.FRONT_END):
        arguments[each] = {**topology.place(each), "account": own[each].as_key(), "back_ends": back_ends,
                           "dc": str(topology.machines[dc].address), "front_end": kind.name,
                           "domain": domain | {"smb_conf": topology.member_conf(each)}}
    own_accounts = [each.account for each in own.values()]
    key = own[sql].as_key()
    del key["name"]
    arguments[sql] = {**topology.place(sql), "realm": topology.realm, "others": [across.realm], **key,
                      "logins": sorted(own_accounts)}
    arguments[client] = {
        **topology.place(client), "dc": str(topology.machines[dc].address),
        "administrator": f"{ADMINISTRATOR}@{topology.dns}", "password": passwords[ADMINISTRATOR],
    }
    for pending in [agents[name].send("start", **arguments[name]) for name in agents]:
        pending.result()
    return {each.account: each for each in own.values()} | {
        ADMINISTRATOR: user_secret(topology, ADMINISTRATOR, versions[ADMINISTRATOR], passwords[ADMINISTRATOR])
    }, arguments
