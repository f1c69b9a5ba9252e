"""Every machine of a lab as a testinfra host, whatever provider it runs on."""

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from doublehop.providers import Machine


class MachineBackend(BaseBackend):  # type: ignore[misc]  # testinfra has no types
    """testinfra's way into one machine; `run` is all that it asks of a back end."""

    NAME = "doublehop"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.name)
        self._machine = machine

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a shell command in the machine."""
        text = self.get_command(command, *args)
        done = self._machine.run("sh", "-c", text)
        return self.result(done.code, self.encode(text), done.stdout.encode(), done.stderr.encode())


def host_of(machine: Machine) -> Host:
    """The testinfra host of a machine: `host.file(...)`, `host.process.filter(...)`, `host.run(...)`."""
    return Host(MachineBackend(machine))
