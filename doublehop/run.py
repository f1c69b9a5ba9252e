"""Programs and their long-lived conversations: the only module that starts a process.

Every wait has a deadline; a failure carries what the program wrote.
"""

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from doublehop.errors import Deadline, LabError

LOG_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """What one program came to, with its whole output."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def check(self) -> "CommandResult":
        """This result, if the program succeeded.

        Raises LabError with the command and all it wrote otherwise.
        """
        if self.code != 0:
            raise LabError(f"{' '.join(self.argv)} ended with {self.code}\n{self.stdout}{self.stderr}".rstrip())
        return self


class DuplexStream(Protocol):
    """A program that is spoken to in lines."""

    def send(self, line: bytes) -> None:
        """Write one line."""

    def receive(self, seconds: float) -> bytes | None:
        """Read one line; None when the program has ended. Raises Deadline."""

    def log(self) -> list[str]:
        """The last lines of its standard error."""

    def close(self) -> None:
        """End the program."""


def run(argv: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None,
        timeout: float = 30) -> CommandResult:
    """Run a program to its end.

    Raises Deadline when it takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(argv, input=stdin, env=env, timeout=timeout, capture_output=True, text=True,
                              errors="replace", check=False)
    except subprocess.TimeoutExpired as failure:
        raise Deadline(" ".join(argv), timeout, str(failure.stderr or "")) from failure
    return CommandResult(argv=tuple(argv), code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def copied(folder: Path, names: Sequence[str], unpack: Sequence[str], timeout: float) -> None:
    """Send files of a folder as a tar stream to the program that unpacks it: they are too much for a line of text.

    Raises LabError when either side fails.
    """
    packing = subprocess.Popen(["tar", "--create", "--directory", folder, *names], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    assert packing.stdout is not None
    with packing.stdout:
        done = subprocess.run(unpack, stdin=packing.stdout, capture_output=True, text=True, timeout=timeout,
                              check=False)
    if packing.wait(timeout) != 0 or done.returncode != 0:
        raise LabError(f"could not copy {', '.join(names)} of {folder}: {done.stderr.strip()}")


class Conversation:
    """A child process with line-wise standard input and output; its standard error is kept as a log.

    The log is an unlinked file, so nothing is left when this process is killed.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None,
                 pass_fds: Sequence[int] = ()) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=env, pass_fds=pass_fds,
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._pending = b""

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the child has ended."""
        return self._process.poll() is not None

    def send(self, line: bytes) -> None:
        """Write one line; a child that has ended is noticed by the next `receive`."""
        with suppress(BrokenPipeError):
            self._stdin.write(line)

    def receive(self, seconds: float) -> bytes | None:
        """Read one line, or None at the end of the child's output."""
        deadline = time.monotonic() + seconds
        chunks = [self._pending]
        while b"\n" not in chunks[-1]:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                self._pending = b"".join(chunks)
                raise Deadline(f"an answer from {self._process.args!r}", seconds, "\n".join(self.log()))
            chunk = self._stdout.read(1 << 16)
            if not chunk:
                return None
            chunks.append(chunk)
        line, _, self._pending = b"".join(chunks).partition(b"\n")
        return line

    def log(self) -> list[str]:
        """The last lines of standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").splitlines()[-LOG_LINES:]

    def close(self) -> None:
        """Close the child's input, and kill it if it has not ended a moment later."""
        self._stdin.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._selector.close()
        self._stdout.close()
        self._errors.close()

    def kill(self) -> None:
        """End the child at once."""
        self._process.kill()
        self.close()


def detached(argv: Sequence[str]) -> Iterator[str]:
    """Start a program that outlives this one, in a session of its own, and read its lines while it speaks."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip()
    process.wait()


def silence() -> None:
    """Point this process's output at nothing, once nobody reads it any more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
