"""Every failure a reader can meet, as one tree.

DoublehopError
├── InputError          a TOML file, an option or an id is wrong; nothing was started (exit 2)
├── HostError           this machine cannot run a lab as it is; says what to change (exit 2)
└── LabError            the lab itself failed; a scenario that meets it is *broken*, never *disagreed*
├── MachineDied     a machine's agent ended; carries its last log lines
├── AgentFailed     an operation inside a machine raised; carries its text
├── Deadline        something did not happen in time; carries the last thing seen
└── Refused         the directory or a machine would not hold what a scenario gives; the lab itself is whole
"""

from collections.abc import Sequence


class DoublehopError(Exception):
    """Base of everything doublehop raises on purpose."""


class InputError(DoublehopError):
    """Something a person wrote cannot be used.

    The text names the file, the key or line, and what was expected there.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class HostError(DoublehopError):
    """This machine lacks something a lab needs; the text says what to do about it."""


class LabError(DoublehopError):
    """The lab failed, so nothing can be said about the scenario."""


class MachineDied(LabError):
    """A machine's agent ended without being asked to."""

    def __init__(self, machine: str, last_lines: Sequence[str]) -> None:
        shown = "\n".join(f"    {each}" for each in last_lines) or "    (it wrote nothing)"
        super().__init__(f"{machine} died; its last log lines:\n{shown}")
        self.machine = machine
        self.last_lines = tuple(last_lines)


class AgentFailed(LabError):
    """An operation that a machine's agent was asked for did not succeed."""

    def __init__(self, machine: str, operation: str, text: str) -> None:
        super().__init__(f"{machine}: {operation} failed: {text}")
        self.machine = machine
        self.operation = operation
        self.text = text


class Deadline(LabError):
    """Something awaited did not happen in time."""

    def __init__(self, what: str, seconds: float, last_seen: str = "") -> None:
        tail = f"; last seen: {last_seen}" if last_seen else ""
        super().__init__(f"{what} did not happen within {seconds:g} s{tail}")
        self.what = what
        self.seconds = seconds
        self.last_seen = last_seen


class Refused(LabError):
    """The directory took none of the changes it was asked for, or a machine cannot be so; the lab is as before."""
