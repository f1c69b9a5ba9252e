"""Windows machines that stand already, as machines of a lab: their agents answer what those of Linux machines do.

Whatever brings such guests up (Vagrant does) hands their addresses over to `standing`. A machine's work is done by the
PowerShell scripts of `lab/windows`, which are copied to it and called over WinRM: one JSON document in, one out. The
directory is changed from here, by the same LDAP code as everywhere.
"""

import base64
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from doublehop.directory import is_dns_record
from doublehop.errors import AgentFailed, Deadline, DoublehopError, LabError
from doublehop.model import Role
from doublehop.providers import Machine, Progress, Site
from doublehop.providers.windows_agents import OPERATIONS, Answer, Domain, Guest
from doublehop.providers.windows_scripts import CALL, COPY, FETCH, GREET, encoded, files
from doublehop.providers.winrm import Account, Connection, Endpoint
from doublehop.run import CommandResult, Conversation
from doublehop.topology import Named, Topology

DIRECTORY_SECONDS = 40
SCRIPT_SECONDS = 180
"""A script starts a PowerShell and works on a machine that may be busy."""
TAKES_LONGER = {"set_credential_guard": 1800}
"""Operations that start a machine anew, and the seconds that they may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How a Windows lab is reached: where each machine answers WinRM, where the domain controller answers LDAPS.

    `administrator` is who signs in to the machines, by ticket or password; LDAP takes the domain administrator's
    password.
    """

    endpoints: Mapping[str, Endpoint]
    administrator: Account
    directory: Endpoint
    directory_password: str = field(repr=False)
    signed: Callable[[str], Mapping[str, str]]
    """What the lab's authority makes of a request: both certificates."""
    restart: Callable[[str], None]
    """Starts a machine anew, and waits until it answers."""


class WindowsMachine:
    """A Windows guest that answers WinRM."""

    def __init__(self, name: str, role: Role, connection: Connection, domain: Domain,
                 restart: Callable[[str], None], entered: Sequence[str] = ()) -> None:
        self.name = name
        self.role = role
        self._connection = connection
        self._domain = domain
        self._restart = restart
        self._entered = entered

    def run(self, *argv: str, stdin: str = "", timeout: float = 30) -> CommandResult:
        """Run a program in the machine to its end."""
        return self._connection.run(*argv, stdin=stdin, seconds=timeout)

    def open(self, *argv: str) -> "Agent":  # noqa: ARG002 - the protocol's
        """The machine's agent: its scripts, spoken to as the agents of Linux machines are."""
        return Agent(Guest(self.name, self.role, self.call, self.greet, self.restart), self._domain)

    def restart(self) -> None:
        """Start the machine anew; the next program gets a new shell."""
        self._connection.close()
        self._restart(self.name)

    def enter(self, *argv: str) -> Sequence[str]:
        """The host's command line that runs a program in the machine with the caller's terminal."""
        return [*self._entered, " ".join(argv)]

    def fetch(self, path: str) -> bytes:
        """The content of a file in the machine."""
        done = self.run(*encoded(FETCH), stdin=json.dumps(path))
        return base64.b64decode(self._succeeded(done, f"reading {path}").stdout)

    def call(self, script: str, document: Mapping[str, Any]) -> Answer:
        """Have a script of `lab/windows` do its job.

        Raises LabError with what it wrote as an error: script, line and reason.
        """
        command = encoded(CALL.replace("SCRIPT", script))
        try:
            done = self._succeeded(self.run(*command, stdin=json.dumps(document), timeout=SCRIPT_SECONDS), script)
        except Deadline as failure:
            raise LabError(f"{self.name}: {script} did not end within {SCRIPT_SECONDS} s") from failure
        text, _, now = done.stdout.strip().rpartition("\n")
        try:
            return Answer(json.loads(text), now)
        except ValueError as failure:
            raise LabError(f"{self.name}: {script} answered no JSON document: {done.stdout[:200]!r}") from failure

    def greet(self) -> str:
        """Ask the machine what it is called; gives the time on its clock.

        Raises LabError when another machine answers here.
        """
        return self._greeted(self.run(*encoded(GREET)))

    def take_files(self) -> str:
        """Copy what it needs of this checkout to the machine, and ask what it is called."""
        return self._greeted(self.run(*encoded(COPY), stdin=json.dumps(files())))

    def _greeted(self, done: CommandResult) -> str:
        name, now = self._succeeded(done, "its greeting").stdout.split()
        if name.lower() != self.name:
            raise LabError(f"{self._connection.endpoint.told} is called {name}, and not {self.name}")
        return now

    def close(self) -> None:
        """Leave the machine as it is."""
        self._connection.close()

    def _succeeded(self, done: CommandResult, what: str) -> CommandResult:
        if done.code != 0:
            raise LabError(f"{self.name}: {what} ended with {done.code}: {done.stderr.strip() or done.stdout.strip()}")
        return done


class Agent:
    """A Windows machine's agent: requests are done one after the other on a thread of their own."""

    def __init__(self, guest: Guest, domain: Domain) -> None:
        self._does: Mapping[str, Callable[..., Any]] = {"ready": lambda: None, **OPERATIONS[guest.role](guest, domain)}
        self._name = guest.name
        self._worker = ThreadPoolExecutor(1, guest.name)
        self._answers: deque[tuple[float, Future[dict[str, Any]]]] = deque()
        self._log: list[str] = []

    def send(self, line: bytes) -> None:
        """Begin with a request as soon as those before it are done."""
        request = json.loads(line)
        seconds = TAKES_LONGER.get(request["op"], SCRIPT_SECONDS + 10)
        self._answers.append((seconds, self._worker.submit(self._done, request)))

    def receive(self, seconds: float) -> bytes | None:
        """The answer to the oldest request."""
        longer, answer = self._answers[0]
        try:
            return json.dumps(answer.result(max(seconds, longer))).encode()
        except TimeoutError as failure:
            raise Deadline(f"an answer of {self._name}", seconds, "\n".join(self._log[-1:])) from failure
        finally:
            if answer.done():
                self._answers.popleft()

    def log(self) -> list[str]:
        """What went wrong so far."""
        return self._log

    def close(self) -> None:
        """Do nothing more, once the machine is as it was found."""
        stop = self._does.get("stop")
        if stop is not None:
            with suppress(DoublehopError, TimeoutError):  # a machine that has gone is as it is
                self._worker.submit(stop).result(SCRIPT_SECONDS)
        self._worker.shutdown(cancel_futures=True)

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = self._does.get(request["op"])
        if operation is None:
            return {"error": f"a Windows lab has no {request['op']}"}
        try:
            return {"ok": operation(**request["args"])}
        except DoublehopError as failure:
            self._log.append(str(failure))
            return {"error": str(failure).removeprefix(f"{self._name}: ")}


@contextmanager
def standing(topology: Topology, access: Access, progress: Progress,
             entered: Callable[[str], Sequence[str]] = lambda name: ["winrs", f"-r:{name}"]) -> Iterator[Site]:
    """The machines of a Windows lab that is up, each with the scripts of this checkout; leaves them as they are.

    Raises HostError or LabError when one does not answer, lets nobody in, or is not the one it should be.
    """
    progress("asking the Windows machines")
    with ExitStack() as stack:
        directory = stack.enter_context(_directory(topology, access))
        domain = Domain(topology, _served(directory, topology, access, stack), access.signed)
        machines = {name: WindowsMachine(name, each.role, Connection(access.endpoints[name], access.administrator),
                                         domain, access.restart, entered(name))
                    for name, each in topology.machines.items()}
        for each in machines.values():
            stack.callback(each.close)
        with ThreadPoolExecutor(len(machines)) as everybody:
            for _ in everybody.map(WindowsMachine.take_files, machines.values()):
                pass
        named = Named(accounts={topology.only(Role.BACK_END): topology.windows.sql_account})
        yield Site(replace(topology, named=named), dict[str, Machine](machines), _add, keeps_logs=True)


def _served(directory: Callable[..., Any], topology: Topology, access: Access, stack: ExitStack) -> Callable[..., Any]:
    """The same directory, whose DNS records are served as soon as they are changed.

    Windows' DNS server has a zone in memory and looks into the directory every three minutes (Get-DnsServerDsSetting:
    PollingInterval), where Samba's looks with each query.
    """
    (name,) = topology.of(Role.DOMAIN_CONTROLLER)
    controller = WindowsMachine(name, Role.DOMAIN_CONTROLLER, Connection(access.endpoints[name], access.administrator),
                                Domain(topology, directory, access.signed), access.restart)
    stack.callback(controller.close)
    lock = threading.Lock()

    def ask(operation: str, **arguments: Any) -> Any:
        answer = directory(operation, **arguments)
        if operation == "change" and any(is_dns_record(each["dn"]) for each in arguments["changes"]):
            with lock:
                controller.call("update-zone.ps1", {"zone": topology.dns})
        return answer

    return ask


def _add(topology: Topology) -> Mapping[str, Machine]:
    raise LabError(f"a Windows lab has no machines of {topology.realm}")


@contextmanager
def _directory(topology: Topology, access: Access) -> Iterator[Callable[..., Any]]:
    """Whoever speaks LDAP with the domain controller, in a process of its own as in every lab."""
    server = access.directory
    process = Conversation([sys.executable, "-m", "doublehop.machine.administrator"])
    lock = threading.Lock()

    def ask(operation: str, **arguments: Any) -> Any:
        with lock:  # the machines' agents ask side by side
            process.send(json.dumps({"op": operation, "args": arguments}).encode() + b"\n")
            line = process.receive(DIRECTORY_SECONDS)
        if line is None:
            raise LabError("the directory's administrator ended:\n" + "\n".join(process.log()))
        answer = json.loads(line)
        if "error" in answer:
            raise AgentFailed(server.machine, operation, answer["error"])
        return answer["ok"]

    try:
        ask("start", dc=server.address, port=server.port, host=server.host, authorities=str(server.authority),
            administrator=f"Administrator@{topology.dns}", password=access.directory_password)
        yield ask
    finally:
        process.close()
