"""A lab that stays up for programs run by hand: one process holds it, and others find that process.

The holder answers on an abstract Unix socket, which vanishes with it; so a killed holder leaves no file
that lies about a lab, and only its own user is answered.
"""

import json
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from doublehop.errors import InputError, LabError
from doublehop.run import detached, silence
from doublehop.wait import until

PREFIX = "doublehop"
READY = "ready"
DOWN_SECONDS = 20


def _address(name: str) -> str:
    return f"\0{PREFIX}/{os.getuid()}/{name}"


def hold(name: str, description: Mapping[str, Any]) -> None:
    """Answer questions about a lab until told to let go; `description` is what `ask` gives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(_address(name))
        server.listen()
        print(READY, flush=True)
        silence()
        while True:
            connection, _ = server.accept()
            with connection:
                if _peer(connection) not in {os.getuid(), 0}:
                    continue
                word = connection.recv(64)
                connection.sendall(json.dumps(description).encode())
                if word == b"down":
                    return


def _peer(connection: socket.socket) -> int:
    """The user at the other end (SO_PEERCRED: pid, uid, gid)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def running() -> list[str]:
    """The names of this user's labs that are up."""
    found = re.findall(rf"@{PREFIX}/{os.getuid()}/(\S+)$", Path("/proc/net/unix").read_text(), re.MULTILINE)
    return sorted(set(found))


def ask(name: str, word: str = "what") -> dict[str, Any]:
    """What the holder of a lab knows.

    Raises InputError when no such lab is up.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(_address(name))
        except OSError as failure:
            raise InputError("--name", f"no lab called {name!r} is up (`doublehop up` starts one)") from failure
        client.sendall(word.encode())
        client.settimeout(DOWN_SECONDS)
        with client.makefile("rb") as answer:
            described: dict[str, Any] = json.loads(answer.read())
            return described


def let_go(name: str) -> None:
    """Take a lab down and wait until it is gone."""
    description = ask(name, "down")
    until(f"the end of lab {name}", DOWN_SECONDS, lambda: None if _alive(int(description["pid"])) else True)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text()


def start_in_background(name: str, argv: Sequence[str], progress: Callable[[str], None]) -> None:
    """Start a holder that outlives this process, and wait until its lab is ready.

    Raises InputError when a lab of this name is up already, LabError when it did not come up.
    """
    if name in running():
        raise InputError("--name", f"a lab called {name!r} is up already (`doublehop down` ends it)")
    said = []
    for line in detached(argv):
        if line == READY:
            return
        said.append(line)
        progress(line)
    raise LabError("\n".join(said[-20:]) or "the lab did not come up, and its holder said nothing")
