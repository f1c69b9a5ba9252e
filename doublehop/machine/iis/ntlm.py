"""NTLM on one connection, checked at the domain controller through Samba's `ntlm_auth` helper and winbindd.

A helper holds the challenge of one handshake, so each handshake in flight has one to itself. When the
handshake ends the helper is used again; when the connection ends first, the helper ends with it.
"""

import base64
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from doublehop.machine.iis.negotiate import Caller, Leg, Refusal
from doublehop.machine.iis.ntlmssp import AUTHENTICATE_MESSAGE, NEGOTIATE_MESSAGE, SPNEGO, is_anonymous, kind_of

ANONYMOUS = "anonymous logon"

SECONDS = 15
IDLE_HELPERS = 2

DENIED = {"NT_STATUS_LOGON_FAILURE", "NT_STATUS_NO_SUCH_USER", "NT_STATUS_WRONG_PASSWORD"}
NOT_CHECKED = ("NT_STATUS_DOMAIN_CONTROLLER_NOT_FOUND", "NT_STATUS_INTERNAL_ERROR",
               "NT_STATUS_CANT_ACCESS_DOMAIN_INFO", "NT_STATUS_IO_TIMEOUT", "NT_STATUS_CONNECTION",
               "NT_STATUS_NETWORK", "NT_STATUS_PIPE", "NT_STATUS_TRUST", "NT_STATUS_RPC", "WINBIND")
"""Parts of answers that say that nobody checked anything: the lab failed, and the caller was not refused."""


class NotChecked(Exception):
    """The domain controller was not asked or gave no answer."""


class Helper:
    """One `ntlm_auth` process: a line in, a line out."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self._process = subprocess.Popen(
            ["ntlm_auth", f"--helper-protocol={protocol}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )

    def ask(self, word: str, token: bytes) -> str:
        """Give it one message; raises NotChecked when it has no answer in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word} {base64.b64encode(token).decode()}\n".encode())
        except OSError as failure:
            raise NotChecked(f"ntlm_auth ended: {failure}") from failure
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        deadline, answer = time.monotonic() + SECONDS, b""
        while not answer.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise NotChecked(f"ntlm_auth gave no answer in {SECONDS} s")
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                raise NotChecked("ntlm_auth ended")
            answer += part
        return answer.decode(errors="replace").strip()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for each in (self._process.stdin, self._process.stdout):
            if each is not None:
                each.close()


@dataclass(slots=True)
class Helpers:
    """The helpers of this machine; `ready` sees to winbindd, and `domain` and `realm` are what it is a member of."""

    ready: Callable[[], None]
    domain: str
    realm: str
    _idle: list[Helper] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, protocol: str) -> Helper:
        """A helper for one handshake."""
        self.ready()
        with self._lock:
            for each in self._idle:
                if each.protocol == protocol:
                    self._idle.remove(each)
                    return each
        return Helper(protocol)

    def give_back(self, helper: Helper) -> None:
        """Keep a helper whose handshake came to its end for the next one."""
        with self._lock:
            if len(self._idle) < IDLE_HELPERS:
                self._idle.append(helper)
                return
        helper.end()

    def principal(self, user: str) -> str:
        """A user with a domain in front as a Kerberos principal, which is how the lab names every caller."""
        domain, _, name = user.rpartition("\\")
        realm = self.realm if domain.upper() in {self.domain.upper(), self.realm.upper(), ""} else domain
        return f"{name}@{realm}"


class NtlmExchange:
    """One NTLM handshake in progress on one connection."""

    def __init__(self, helpers: Helpers, protocol: str) -> None:
        self._helpers = helpers
        self._protocol = protocol
        self._helper: Helper | None = None
        self._closed = False
        self._lock = threading.Lock()

    def step(self, token: bytes) -> Leg:
        """Take the client's next message."""
        with self._lock:
            kind = kind_of(token)
            first = self._helper is None
            if self._closed or kind != (NEGOTIATE_MESSAGE if first else AUTHENTICATE_MESSAGE):
                return self._ended(Refusal("SEC_E_INVALID_TOKEN", "not the NTLM message whose turn it is"))
            if not first and is_anonymous(token):
                return self._ended(Refusal("SEC_E_LOGON_DENIED", "an anonymous NTLM message"))
            if self._helper is None:
                self._helper = self._helpers.take(self._protocol)
            try:
                answer = self._helper.ask("YR" if first else "KK", token)
                return self._read(answer)
            except NotChecked:
                self._end_helper()
                raise

    def _read(self, answer: str) -> Leg:
        word, _, rest = answer.partition(" ")
        if word == "TT":
            return Leg(answer=base64.b64decode(rest.split()[0]))
        if word == "AF":
            return self._accepted(rest)
        if any(part in rest.upper() for part in NOT_CHECKED):
            raise NotChecked(answer)
        return self._ended(refusal_of(word, rest))

    def _accepted(self, rest: str) -> Leg:
        proof, user = b"", rest
        if self._protocol == SPNEGO:
            text, _, user = rest.partition(" ")
            proof = b"" if text == "*" else base64.b64decode(text)
        name = user.rpartition("\\")[2].strip()
        if not name or name.lower() == ANONYMOUS:
            return self._ended(Refusal("SEC_E_LOGON_DENIED", "the anonymous user"))
        assert self._helper is not None
        self._helpers.give_back(self._helper)
        self._helper, self._closed = None, True
        mechanism = "SPNEGO" if self._protocol == SPNEGO else "NTLM"
        return Leg(answer=proof, caller=Caller(
            principal=self._helpers.principal(user.strip()), mechanism=mechanism, credentials=None, scheme="NTLM",
        ))

    def _ended(self, refusal: Refusal) -> Leg:
        """A handshake that failed leaves a helper in an unknown state, so it is not used again."""
        self._end_helper()
        self._closed = True
        return Leg(refusal=refusal)

    def _end_helper(self) -> None:
        if self._helper is not None:
            self._helper.end()
            self._helper = None

    def close(self) -> None:
        """End the handshake with its connection."""
        with self._lock:
            self._end_helper()
            self._closed = True


def refusal_of(word: str, rest: str) -> Refusal:
    """Why the helper let nobody in: a wrong name or password, another status of the domain, or a broken message."""
    status = next((each for each in rest.split() if each.startswith("NT_STATUS_")), "")
    if word != "NA" or not status:
        return Refusal("SEC_E_INVALID_TOKEN", rest)
    error = "SEC_E_LOGON_DENIED" if status in DENIED else status.removeprefix("NT_")
    return Refusal(error, rest.removeprefix("* "))
