"""A machine that is entered from another container: a Unix socket in a folder that both have.

Whoever enters sends a command line with his own standard input, output and error, and the machine runs it on
these; so nothing is copied, and the way in is on no network. It answers with the program's exit code.

`python3 -m doublehop.machine.door keep NAME` in the machine, `... enter NAME COMMAND...` elsewhere.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from doublehop.machine.agent import until

FOLDER = Path("/doors")
SECONDS_TO_OPEN = 60
"""How long a machine may take until it can be entered, while containers start."""
LONGEST = 1 << 16
STREAMS = 3


def keep(name: str, folder: Path = FOLDER) -> None:
    """Let programs be run in this machine until it is told to end."""
    signal.signal(signal.SIGTERM, _end)  # a container's first process is sent nothing that it does not ask for
    path, ajar = folder / f"{name}.sock", folder / f"{name}.new"
    ajar.unlink(missing_ok=True)  # of a container that was killed
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(ajar))
        ajar.chmod(0o600)
        server.listen()
        ajar.rename(path)  # whoever sees it may enter
        while True:
            visitor, _ = server.accept()
            threading.Thread(target=_serve, args=[visitor], daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is Python's
    sys.exit(0)


def _serve(visitor: socket.socket) -> None:
    with visitor:
        message, streams, _, _ = socket.recv_fds(visitor, LONGEST, STREAMS)
        if len(streams) != STREAMS:
            return
        try:
            process = subprocess.Popen(json.loads(message), stdin=streams[0], stdout=streams[1], stderr=streams[2])
        except OSError as failure:
            visitor.send(str(failure).encode())
            return
        finally:
            for each in streams:
                with suppress(OSError):
                    os.close(each)
        visitor.send(str(process.wait()).encode())


def enter(name: str, argv: Sequence[str], folder: Path = FOLDER) -> int:
    """Run a program in a machine, on this process's own streams; gives its exit code."""
    path = folder / f"{name}.sock"
    with until(f"the door of {name}", SECONDS_TO_OPEN, lambda: _connected(path), every=0.05) as way:
        socket.send_fds(way, [json.dumps(list(argv)).encode()], [0, 1, 2])
        answer = way.recv(LONGEST).decode()
    if not answer.lstrip("-").isdigit():
        raise SystemExit(answer or f"{name} ended")
    return int(answer) if int(answer) >= 0 else 128 - int(answer)


def _connected(path: Path) -> socket.socket:
    way = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        way.connect(str(path))
    except OSError:
        way.close()
        raise
    return way


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep", whose]:
            keep(whose)
        case ["enter", whose, *command] if command:
            sys.exit(enter(whose, command))
        case _:
            sys.exit(str(__doc__))
