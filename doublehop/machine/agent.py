"""The loop every machine's agent runs: one JSON request a line in, one JSON answer a line out.

Requests are answered in order. Secrets arrive here, on standard input, so that they never stand in a
process's arguments or environment. The agent ends when its input does.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Operation = Callable[..., Any]
T = TypeVar("T")

POLL_SECONDS = 0.005


def serve(operations: Mapping[str, Operation]) -> None:
    """Answer requests until standard input ends; every agent can say that it is `ready`, its modules being loaded."""
    operations = {"ready": lambda: None, **operations}
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library or child prints must not mix with the answers
    for line in requests:
        request = json.loads(line)
        try:
            value = operations[request["op"]](**request.get("args", {}))
            answer = {"ok": value}
        except Exception as failure:  # noqa: BLE001 - whatever went wrong is the answer, told to the caller
            traceback.print_exc()
            answer = {"error": f"{type(failure).__name__}: {failure}"}
        answers.write(json.dumps(answer).encode() + b"\n")


def until(what: str, seconds: float, attempt: Callable[[], T | None], every: float = POLL_SECONDS) -> T:
    """Repeat `attempt` until it gives a value; raises TimeoutError with its last exception's text."""
    deadline = time.monotonic() + seconds
    last = ""
    while time.monotonic() < deadline:
        try:
            value = attempt()
        except OSError as failure:
            last = str(failure)
        else:
            if value is not None:
                return value
        time.sleep(every)
    raise TimeoutError(f"{what} not ready after {seconds:g} s: {last}")


def run(*argv: str, stdin: str = "", env: Mapping[str, str] | None = None, timeout: float = 30) -> str:
    """Run a program to its end and give its standard output; raises with its output when it fails."""
    done = subprocess.run(
        argv, input=stdin, env=None if env is None else {**os.environ, **env}, timeout=timeout,
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def write_secret(path: Path, content: bytes | str) -> Path:
    """Write a file that only its owner can read, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


ENCTYPES = {"AES256": "aes256-cts-hmac-sha1-96", "AES128": "aes128-cts-hmac-sha1-96", "RC4": "arcfour-hmac"}


def make_keytab(path: Path, *, principal: str, salt: str, kvno: int, password: str,
                encryption_types: Sequence[str] = ("AES256", "AES128")) -> Path:
    """Derive an account's keys from its password, as `ktpass` or `msktutil` do for a service.

    The salt is the directory's (MS-KILE 3.1.1.2), so nothing has to be asked of the KDC; RC4 keys have none.
    """
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = "".join(
        f"addent -password -p {principal} -k {kvno} -e {ENCTYPES[each]} -s {salt}\n{password}\n"
        for each in encryption_types
    )
    run("ktutil", stdin=f"{entries}wkt {path}\nquit\n")
    if not path.exists():
        raise RuntimeError(f"ktutil wrote no keytab for {principal}")
    path.chmod(0o600)
    return path


def bring_up_network(*, address: str, prefix: int) -> None:
    """Give the machine its address as soon as the lab has plugged in its cable; it may have it already."""
    until("network cable", 10, lambda: Path("/proc/sys/net/ipv4/conf/eth0").exists() or None)
    run("ip", "-batch", "-", stdin=(
        "link set lo up\n"
        f"addr replace {address}/{prefix} dev eth0\n"
        "link set eth0 up\n"
    ))


def maps_user(number: int, table: Path = Path("/proc/self/uid_map")) -> bool:
    """Whether this machine knows a user of that number; its lines are first, outside and size (user_namespaces(7))."""
    ranges = [[int(each) for each in line.split()] for line in table.read_text().splitlines()]
    return any(first <= number < first + size for first, _, size in ranges)


def set_clock(*, by: str) -> None:
    """Let this agent's clock be off by so much from now on, or right again; it was started with one of its own."""
    path = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
    if by:
        path.write_text(f"{by}\n")
    else:
        path.unlink(missing_ok=True)


def cut_off(*, address: str, cut: bool) -> None:
    """Make one address unreachable from this machine, or reachable again."""
    run("ip", "route", "add" if cut else "del", "unreachable", f"{address}/32")
