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
    | The\ provider\ '[^']+'\ (?:could\ not|that\ was\ requested)(?s:.*)  # no such provider, or not usable here
    | The\ box\ '[^']+'\ could\ not\ be\ found(?s:.*)                     # in words that are Vagrant's
    """, re.MULTILINE | re.VERBOSE)
"""What Vagrant says where nothing was made because something is missing or misspelt."""


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
        with self._told("up"):
            self._vagrant().up(vm_name=asked, provider=provider, no_provision=True)
        running = {name for name, state in self.status().items() if state == vagrant.Vagrant.RUNNING}
        lacking = [each for each in names if each not in running]
        if lacking:
            raise LabError(f"vagrant up: {', '.join(lacking)} not running afterwards\n{self._last_lines()}")

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
        return vagrant.Vagrant(root=self.root, env=self.environment, out_cm=log, err_cm=log)

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

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join([each for each in lines if each.strip()][-LAST_LINES:])

    @contextmanager
    def _told(self, command: str) -> Iterator[None]:
        try:
            yield
        except subprocess.CalledProcessError as failure:
            missing = NOT_OURS.search(self._last_lines())
            if missing:
                raise HostError(" ".join(missing[0].split())) from failure
            raise LabError(f"vagrant {command} ended with {failure.returncode}\n{self._last_lines()}") from failure
