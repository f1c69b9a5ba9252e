"""The `fake` provider, for the harness's own tests: machines that answer, but a web server that lets nobody in.

It has no lab behind it and can make no scenario about delegation agree: every page is a 401. A page whose
path says so makes a machine die or stay silent, so that the harness meets both without a lab.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from doublehop.errors import Deadline
from doublehop.model import Need, Role
from doublehop.providers import Machine, Progress, Provision, Site
from doublehop.run import CommandResult
from doublehop.topology import Topology

REFUSED = {"spn": "", "error": "", "status": 401, "offers": ["Negotiate"], "delegated": False, "handshakes": 0,
           "mutual": False, "http": "1.1", "body": ""}
ANSWERS: Mapping[str, Any] = {
    "change": {"undo": []}, "log_mark": 0, "log_since": "", "log": [], "sign_in": "", "attempt": "success",
    "read": {"msDS-KeyVersionNumber": ["1"]}, "probe": REFUSED,
}


class FakeStream:
    """An agent that gives fixed answers."""

    def __init__(self) -> None:
        self._requests: list[dict[str, Any]] = []
        self._failing = ""

    def send(self, line: bytes) -> None:
        """Remember a request."""
        self._requests.append(json.loads(line))

    def receive(self, seconds: float) -> bytes | None:
        """Answer the oldest request."""
        request = self._requests.pop(0)
        url = request["args"].get("url", "")
        self._failing = self._failing or next((each for each in ("/dies", "/silent") if each in url), "")
        if self._failing == "/dies":
            return None
        if self._failing == "/silent":
            raise Deadline("an answer", seconds, "nothing")
        if request["op"] == "prepare":
            versions = dict.fromkeys(request["args"]["passwords"], 1)
            return json.dumps({"ok": {"versions": versions, "sid": "S-1-5-21-1-2-3"}}).encode()
        return json.dumps({"ok": ANSWERS.get(request["op"])}).encode()

    def log(self) -> list[str]:
        """The last words of a machine that died."""
        return ["fake: the last line of its log"]

    def close(self) -> None:
        """Nothing to end."""


class FakeMachine:
    """A machine that is not there."""

    def __init__(self, name: str, role: Role) -> None:
        self.name = name
        self.role = role

    def enter(self, *argv: str) -> Sequence[str]:
        """The command itself, on the host."""
        return argv

    def run(self, *argv: str, stdin: str = "", timeout: float = 30) -> CommandResult:  # noqa: ARG002 - the protocol's
        """Do nothing, successfully."""
        return CommandResult(argv=argv, code=0, stdout="", stderr="")

    def open(self, *argv: str) -> FakeStream:  # noqa: ARG002 - the protocol's
        """An agent with fixed answers."""
        return FakeStream()

    def fetch(self, path: str) -> bytes:
        """No file is there."""
        raise FileNotFoundError(path)


class FakeProvider:
    """Brings up nothing, at once."""

    name = "fake"
    offers = frozenset({Need.KERBEROS})

    def check(self) -> Sequence[str]:
        """It runs anywhere."""
        return []

    def versions(self, topology: Topology) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """It is made of nothing."""
        return {}

    @contextmanager
    def up(self, topology: Topology, provision: Provision,  # noqa: ARG002 - the protocol's
           progress: Progress) -> Iterator[Site]:
        """A machine for each of the topology's."""
        progress("fake machines")
        yield Site(topology, _machines(topology), _machines)

    def sweep(self) -> Sequence[str]:
        """Nothing is left of nothing."""
        return []


def _machines(topology: Topology) -> dict[str, Machine]:
    return {name: FakeMachine(name, each.role) for name, each in topology.machines.items()}
