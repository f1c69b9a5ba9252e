"""Windows guests as Vagrant reaches them: what can be done to one before it answers WinRM over HTTPS.

Until a guest is provisioned it has no certificate, so its first programs go through Vagrant's own communicator. None of
this takes Vagrant's lock of a machine, so it works while `vagrant up` or `vagrant provision` waits for it.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from doublehop.errors import Deadline, LabError
from doublehop.providers.vagrant_kept import DOTFILE, Kept, written
from doublehop.providers.vagrant_state import State, not_ours
from doublehop.providers.windows_scripts import WRITE, encoded, files, plain
from doublehop.run import CommandResult, run
from doublehop.wait import until

PROVISION_SECONDS = 3600
COMMAND_SECONDS = 300
START_SECONDS = 1800
"""A start may install what the last run added; a domain controller's first takes minutes."""
ANSWER_SECONDS = 60
START_EVERY = 1
LOOKED_AT = "can't use the requested machine because it is locked"
"""Vagrant's words for it."""
LOOK_SECONDS = 60
DOCUMENT = "C:/doublehop-document.json"
GO_ON = f"""\
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$all = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText('{DOCUMENT}'))
[IO.File]::Delete('{DOCUMENT}')
$files = $all.files
{WRITE}& 'FOLDER/provision.ps1' -Document $all.document
"""
STARTED = "(Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('o')\n"
RESTART = "& 'FOLDER/restart.ps1' -Document ([pscustomobject]@{})\n"


@dataclass(frozen=True, slots=True)
class Guests(State):
    """The guests of one of Vagrant's providers; boxes and plugins are the user's own."""

    ways: list[list[str]] = field(default_factory=list)
    """How programs are run in them, once that is known; asking takes Vagrant seconds."""

    @property
    def environment(self) -> dict[str, str]:
        """What `vagrant` is started with, wherever this process is."""
        return os.environ | self.own_environment

    @property
    def own_environment(self) -> dict[str, str]:
        """What says which guests are meant."""
        return {**self.options, "VAGRANT_CWD": str(self.root), "VAGRANT_CHECKPOINT_DISABLE": "1",
                "VAGRANT_NO_COLOR": "1"}

    def command(self, *argv: str, seconds: float = COMMAND_SECONDS) -> CommandResult:
        """Run one of Vagrant's commands, as soon as no other process looks at the machine.

        Raises Deadline when one does so for longer than any look takes, HostError with the Vagrantfile's words when an
        option is not as it should be.
        """
        def attempt() -> CommandResult | None:
            done = run(["vagrant", *argv], env=self.environment, timeout=seconds)
            missing = not_ours(done.stderr) if done.code else None
            if missing:
                raise missing
            return None if LOOKED_AT in " ".join(done.stderr.split()) else done

        return until(f"`vagrant {argv[0]}` (another Vagrant has the machine locked)", LOOK_SECONDS, attempt,
                     every=START_EVERY)

    def where(self, name: str, port: int) -> tuple[str, int]:
        """Where a guest's port is reached from here: a port of this host, or the guest itself where none is."""
        forwarded = self.command("port", name, "--guest", str(port))
        if forwarded.code == 0 and forwarded.stdout.strip().isdigit():
            return "127.0.0.1", int(forwarded.stdout)
        with self._told("ssh-config"):
            return str(self._vagrant().hostname(vm_name=name)), port

    def way(self, name: str) -> list[str]:
        """Vagrant's command that runs a program in a guest, but for the program.

        Not every Vagrant speaks WinRM; the Vagrantfile takes SSH then, and `vagrant winrm` fails with nothing to do.
        """
        if not self.ways:
            by_winrm = self.command("winrm", name).code == 0
            self.ways.append(["winrm", "--shell", "cmd", "--command"] if by_winrm else ["ssh", "--command"])
        command, *options = self.ways[0]
        return [command, name, *options]

    def do(self, name: str, text: str, seconds: float = COMMAND_SECONDS) -> CommandResult:
        """Run a text of PowerShell in a guest."""
        return self.command(*self.way(name), " ".join(encoded(text)), seconds=seconds)

    def started(self, name: str) -> str | None:
        """When the guest's Windows was started, by its own clock; nothing while it does not answer."""
        with suppress(Deadline):  # a port of this host may take connections for a guest that is down, and Vagrant waits
            done = self.do(name, STARTED, ANSWER_SECONDS)
            return done.stdout.strip() or None if done.code == 0 else None
        return None

    def wait_for(self, name: str) -> str:
        """Wait until a guest answers; gives when it was started."""
        return until(f"an answer of {name}", START_SECONDS, lambda: self.started(name), every=START_EVERY)

    def restart(self, name: str) -> None:
        """Start a guest anew, and wait until it answers.

        From within: `vagrant reload` waits for whoever runs `vagrant up`, who may be waiting for us.
        """
        before = self.do(name, STARTED + RESTART).check().stdout.split()[0]

        def anew() -> str | None:
            now = self.started(name)
            return None if now == before else now

        until(f"the start of {name}", START_SECONDS, anew, every=START_EVERY)

    def go_on(self, name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have `provision.ps1` of this checkout go on in a guest; the document is a file that nobody else can read."""
        path = self.folder / f"{name}.json"
        try:
            written(path, json.dumps({"files": files(), "document": document}))
            self.command("upload", str(path), DOCUMENT, name).check()
        finally:
            path.unlink(missing_ok=True)
        done = self.do(name, GO_ON, PROVISION_SECONDS)
        lines = [each for each in done.stdout.splitlines() if each.startswith("{")]
        if done.code != 0 or not lines:
            raise LabError(f"{name}: provisioning ended with {done.code}\n{plain(done.stderr) or done.stdout}".rstrip())
        answer: Mapping[str, Any] = json.loads(lines[-1])
        return answer


def guests_of(kept: Kept) -> Guests:
    """The guests that something is kept of."""
    # Vagrant looks for a provider of its own choice otherwise, also to say what there is.
    return Guests(kept.folder, {"VAGRANT_DEFAULT_PROVIDER": kept.kind, DOTFILE: str(kept.dotfile)})
