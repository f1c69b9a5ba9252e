"""WinRM over HTTPS: runs programs in a Windows machine and gives back what they wrote.

pypsrp speaks the protocol: a plain WinRS shell, Negotiate for the account, and TLS checked against the lab's own
authority by the machine's name, whatever address it is reached at. Every wait has a deadline, and every failure is a
sentence that names the machine. Secrets travel on standard input only, and the library's own log, which would show
them, is off.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from pypsrp.exceptions import AuthenticationError, WinRMError, WSManFaultError
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import NAMESPACES, WSMan, WSManAction
from requests.adapters import HTTPAdapter
from spnego.exceptions import SpnegoError

from doublehop.errors import Deadline, HostError, LabError
from doublehop.providers.windows_scripts import plain
from doublehop.run import CommandResult
from doublehop.wait import until

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pypsrp.wsman import OptionSet, SelectorSet

HTTPS_PORT = 5986
CONNECT_SECONDS = 10
POLL_SECONDS = 10
"""How long the server may keep a request for output before it says that there is none yet."""
SLACK_SECONDS = 10
"""How much longer an answer may take than that: guests share a few processors."""
CLOSE_SECONDS = 5
"""How long a machine is waited for that has kept us waiting already."""
PROGRAM_SECONDS = 35
BUSY_EVERY = 2
TIMED_OUT, BUSY = 2150858793, 170
"""Faults: an operation that took longer than it was given (ERROR_WSMAN_OPERATION_TIMEDOUT), and ERROR_BUSY."""
UTF_8 = 65001
SERVICE = "WSMAN"
"""The service class of WinRM. HTTP is that of the pages, which a scenario may give to another account."""

logging.getLogger("pypsrp").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who signs in. Without a name it is whoever has tickets in the default cache, as after `kinit`."""

    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a machine answers, the name that its certificate has to be for, and the file of who signed that."""

    machine: str
    host: str
    address: str
    authority: Path
    port: int = HTTPS_PORT

    @property
    def told(self) -> str:
        """The machine and its address, for sentences."""
        return f"{self.machine} ({self.address}:{self.port})"


class _ByName(HTTPAdapter):
    """Speaks TLS with a machine by its name, though it is reached by an address."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Have the name sent and checked."""
        super().init_poolmanager(*args, assert_hostname=self._host, server_hostname=self._host, **options)


class _Impatient(WSMan):
    """Asks for output once; the library would ask five times more of a server that is silent."""

    def receive(self, resource_uri: str, resource: "Element", option_set: "OptionSet | None" = None,
                selector_set: "SelectorSet | None" = None, timeout: int | None = None) -> "Element":
        """The next output."""
        answer = self.invoke(WSManAction.RECEIVE, resource_uri, resource, option_set, selector_set, timeout)
        body = answer.find("s:Body", namespaces=NAMESPACES)
        assert body is not None
        return body


class Connection:
    """One machine's WinRM service, spoken to by one account; the shell is opened when first needed."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.endpoint = endpoint
        self._account = account
        self._shell: WinRS | None = None

    def run(self, *argv: str, stdin: str = "", seconds: float = PROGRAM_SECONDS) -> CommandResult:
        """Run a program to its end.

        Raises HostError when the machine lets nobody in or is not the one it should be, Deadline, or LabError.
        """
        try:
            return self._run(argv, stdin.encode(), seconds)
        except BaseException as failure:
            told = failure if isinstance(failure, Deadline) else self._told(failure, seconds)
            # Whatever state the shell is in, the next program gets a new one, and none that goes on beside it.
            if isinstance(told, Deadline):
                self.close(CLOSE_SECONDS)
            self._shell = None
            if told is None or told is failure:
                raise
            raise told from failure

    def close(self, seconds: int = POLL_SECONDS + SLACK_SECONDS) -> None:
        """Close the shell, with which its programs end; a machine that has gone has none."""
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.wsman.transport.read_timeout = seconds
            with suppress(WinRMError, requests.RequestException, SpnegoError):
                shell.close()
            shell.wsman.close()

    def _run(self, argv: Sequence[str], stdin: bytes, seconds: float) -> CommandResult:
        deadline = time.monotonic() + seconds
        shell = self._shell = self._shell or self._opened(seconds)
        self._waits(shell, POLL_SECONDS, _answer_seconds(seconds))
        process = Process(shell, argv[0], [*argv[1:]])
        process.begin_invoke()
        size = shell.wsman.max_payload_size
        for start in range(0, len(stdin) or 1, size):
            self._send(process, stdin[start : start + size], start + size >= len(stdin), deadline - time.monotonic())
        while process.state != CommandState.DONE:
            left = deadline - time.monotonic()
            if left <= 0:
                process.signal(SignalCode.TERMINATE)
                raise Deadline(f"{self.endpoint.told}: the end of {argv[0]}", seconds, _text(process.stderr))
            # Without a time of its own, for which the library would hang up two seconds later.
            poll = max(1, min(POLL_SECONDS, int(left)))
            self._waits(shell, poll, poll + SLACK_SECONDS)
            process.poll_invoke()
        process.signal(SignalCode.TERMINATE)  # what lets the server forget the command (MS-WSMV 3.1.4.14)
        return CommandResult(argv=tuple(argv), code=process.rc or 0, stdout=_text(process.stdout),
                             stderr=plain(_text(process.stderr)))

    @staticmethod
    def _waits(shell: WinRS, operation: int, answer: int) -> None:
        """Seconds that the server may take for what is asked, and that its answer is waited for."""
        shell.wsman.operation_timeout, shell.wsman.transport.read_timeout = operation, answer

    def _send(self, process: Process, data: bytes, end: bool, seconds: float) -> None:
        """Send input; a server that is slow to take it has it all the same, and one that is busy is asked again."""
        def attempt() -> object:
            try:
                process.send(data, end=end)
            except WSManFaultError as fault:
                if fault.code == BUSY:
                    return None
                if fault.code != TIMED_OUT:
                    raise
            except requests.RequestException as failure:
                return failure  # no reason to wait for more
            return process

        sent = until(f"{self.endpoint.told}: room for input", seconds, attempt, every=BUSY_EVERY)
        if isinstance(sent, Exception):
            raise sent

    def _opened(self, seconds: float) -> WinRS:
        endpoint = self.endpoint
        session = requests.Session()
        session.trust_env = False
        session.verify = str(endpoint.authority)
        session.mount("https://", _ByName(endpoint.host))
        session.auth = HTTPNegotiateAuth(self._account.user or None, self._account.password or None,
                                         service=SERVICE, hostname_override=endpoint.host)
        wsman = _Impatient(endpoint.address, port=endpoint.port, ssl=True, operation_timeout=POLL_SECONDS,
                           connection_timeout=CONNECT_SECONDS, read_timeout=_answer_seconds(seconds))
        wsman.transport.session = session
        shell = WinRS(wsman, codepage=UTF_8, no_profile=True)
        shell.open()
        return shell

    def _told(self, failure: BaseException, seconds: float) -> Exception | None:
        """The failure as a sentence that names the machine."""
        told, shell = self.endpoint.told, self._shell
        waited = shell.wsman.transport.read_timeout if shell else _answer_seconds(seconds)
        user = self._account.user or "the owner of this session's tickets"
        match failure:
            case requests.exceptions.SSLError():
                return HostError(f"{told}: its certificate is not one of {self.endpoint.authority} for "
                                 f"{self.endpoint.host}: {_innermost(failure)}. Provision the machine again, or name "
                                 "the authority that signed it")
            case requests.exceptions.Timeout():
                return Deadline(f"{told}: an answer of WinRM", waited)
            case requests.exceptions.ConnectionError():
                return LabError(f"{told} cannot be reached by WinRM: {_innermost(failure)}. Is it up, and does its "
                                "HTTPS listener run (`winrm enumerate winrm/config/listener`)?")
            case AuthenticationError() | SpnegoError():
                return HostError(f"{told} did not let {user} in over WinRM: wrong name or password, or no ticket for "
                                 f"{SERVICE}/{self.endpoint.host} ({_first_line(failure)})")
            case WinRMError():
                return LabError(f"{told}: {_first_line(failure)}")
        return None


def _answer_seconds(seconds: float) -> int:
    """How long a single answer is waited for, by somebody who has so many seconds for the whole."""
    return max(1, min(POLL_SECONDS + SLACK_SECONDS, int(seconds)))


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def _first_line(failure: BaseException) -> str:
    return str(failure).partition("\n")[0]


def _innermost(failure: BaseException) -> str:
    """What a chain of exceptions began with, without the libraries' object names."""
    while failure.__context__ is not None:
        failure = failure.__context__
    return _first_line(failure)
