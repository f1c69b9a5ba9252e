"""A machine that is entered by a command line on the host, as most are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from doublehop.model import Role
from doublehop.run import CommandResult, Conversation, run


class EnteredMachine(ABC):
    """All of a machine but the way into it."""

    def __init__(self, name: str, role: Role) -> None:
        self.name = name
        self.role = role

    @abstractmethod
    def enter(self, *argv: str) -> Sequence[str]:
        """The host's command line for a program in the machine."""

    def piped(self, *argv: str) -> Sequence[str]:
        """The same where no terminal is wanted."""
        return self.enter(*argv)

    def run(self, *argv: str, stdin: str = "", timeout: float = 30) -> CommandResult:
        """Run a program in the machine to its end."""
        return run(self.piped(*argv), stdin=stdin, timeout=timeout)

    def open(self, *argv: str) -> Conversation:
        """Start a program in the machine that is spoken to in lines."""
        return Conversation(self.piped(*argv))

    def fetch(self, path: str) -> bytes:
        """The content of a file in the machine."""
        return self.run("cat", path).check().stdout.encode()
