"""Runs `vagrant` through python-vagrant, with everything that it keeps in one folder of the lab's own.

So no `.vagrant` is left in a checkout, labs do not meet, and nobody's own plugins or settings take part.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import vagrant

from doublehop.data import LAB
from doublehop.errors import HostError, LabError

LAST_LINES = 15
NOT_OURS = re.compile(r"""
    ^(?:DOUBLEHOP_\w+|\S+\.json):\ .*$                                  # the Vagrantfile's own words about an option
    | ^\w+:\ no\ box\ .*$                                                # or about a machine's box
    | The\ provider\ '[^']+'\ (?:could\ not|that\ was\ requested)(?s:.*)  # no such provider, or not usable here
    """, re.MULTILINE | re.VERBOSE)
"""What Vagrant says where nothing was made because something is missing or misspelt."""

TRIES = 5
SOMEBODY_ELSES = "No such object"
"""Vagrant's docker provider asks the engine about every container there is, and fails when one of them ends meanwhile.

What it has done by then is kept, so the same command goes on.
"""


ERROR_LINE = re.compile(r",ui,error,(.*)$", re.MULTILINE)


def not_ours(said: str) -> HostError | None:
    """What is missing or misspelt, as the error that it is; nothing where Vagrant says something else."""
    found = NOT_OURS.search(said)
    return HostError(" ".join(found[0].split())) if found else None


def _words(output: str | bytes) -> str:
    """What a command that answers in Vagrant's machine-readable form says went wrong."""
    text = output if isinstance(output, str) else output.decode(errors="replace")
    return "\n".join(each.replace("%!(VAGRANT_COMMA)", ",").replace("\\n", "\n") for each in ERROR_LINE.findall(text))


class _SideBySide(vagrant.Vagrant):
    """Destroys machines side by side, as they came up."""

    def destroy(self, vm_name: str | None = None) -> None:
        self._call_vagrant_command(["destroy", vm_name, "--force", "--parallel"])  # type: ignore[no-untyped-call]


def plugins() -> set[str]:
    """The names of the plugins that this user's Vagrant has.

    Raises HostError when it cannot say.
    """
    try:
        return {each.name for each in vagrant.Vagrant().plugin_list()}
    except subprocess.CalledProcessError as failure:
        raise HostError(f"`vagrant plugin list` ended with {failure.returncode}") from failure


@dataclass(frozen=True, slots=True)
class State:
    """A folder that holds what Vagrant knows of one lab; `options` are the Vagrantfile's, and may still change."""

    folder: Path
    options: dict[str, str]
    root: Path = LAB.parent

    def up(self, *names: str, provider: str) -> None:
        """Bring machines up; each is running afterwards.

        Raises HostError for what is missing or misspelt, else LabError, with Vagrant's words.
        """
        asked = f"/^({'|'.join(names)})$/"
        for tries_left in reversed(range(TRIES)):
            try:
                with self._told("up"):
                    # Whoever asks here provisions, where that is to be done at all.
                    self._vagrant().up(vm_name=asked, provider=provider, no_provision=True)
            except LabError as failure:
                if not tries_left or SOMEBODY_ELSES not in str(failure):
                    raise
            else:
                return

    def status(self) -> Mapping[str, str]:
        """Every machine's state, in Vagrant's words."""
        with self._told("status"):
            return {each.name: each.state for each in self._vagrant().status()}

    def destroy(self) -> None:
        """Destroy every machine that is there."""
        with self._told("destroy"):
            self._vagrant().destroy()

    def _vagrant(self) -> vagrant.Vagrant:
        log = vagrant.make_file_cm(self._log)
        return _SideBySide(  # type: ignore[no-untyped-call]  # python-vagrant's has no types
            root=self.root, env=self.environment, out_cm=log, err_cm=log)

    @property
    def environment(self) -> dict[str, str]:
        """What `vagrant` is started with."""
        return os.environ | self.options | {
            "VAGRANT_DOTFILE_PATH": str(self.folder / "machines"), "VAGRANT_HOME": str(self.folder / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1",
        }

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @contextmanager
    def _told(self, command: str) -> Iterator[None]:
        """What Vagrant says of a command that fails is the failure."""
        before = len(self._said())
        try:
            yield
        except subprocess.CalledProcessError as failure:
            said = self._said()[before:] + _words(failure.output or "")
            missing = not_ours(said)
            if missing:
                raise missing from failure
            last = [each for each in said.splitlines() if each.strip()][-LAST_LINES:]
            raise LabError("\n".join([f"vagrant {command} ended with {failure.returncode}", *last])) from failure
