"""What is kept of the Windows guests of a checkout, beside what Vagrant itself knows of them, for their owner only.

Whoever brings them up, doublehop or a `vagrant up` by hand, there is one set of them, and one set of secrets.
"""

import dataclasses
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doublehop import cache
from doublehop.data import CHECKOUT, LAB
from doublehop.errors import HostError
from doublehop.providers.windows_provision import EVERY_SECRET

DOTFILE = "VAGRANT_DOTFILE_PATH"
"""Vagrant's own variable for its folder, where that is not `.vagrant` beside the Vagrantfile."""
SECRETS_FILE = "secrets.json"


def dotfile() -> Path:
    """The folder in which Vagrant keeps what it knows of this checkout's machines."""
    named = os.environ.get(DOTFILE)
    if named:
        return LAB.parent / named  # as Vagrant takes it: from the Vagrantfile's folder, unless it is absolute
    return LAB.parent / ".vagrant" if CHECKOUT else cache.folder() / "vagrant" / "guests"


def new_secret() -> str:
    """A password that Windows' complexity rule takes."""
    return f"{secrets.token_urlsafe(18)}aA1!"


def written(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _read(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises HostError with the remedy when it cannot be read or is none: somebody else was at it.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise HostError(f"{path} cannot be read ({failure}): {remedy}") from failure
    if not isinstance(found, dict):
        raise HostError(f"{path} is no JSON object: {remedy}")
    return found


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a guest's provisioning came."""

    machine: str
    """Vagrant's id of the machine, so that a mark says nothing of another one of that name."""
    key: str = ""
    """What it was brought to; nothing as long as that is under way."""
    domain_sid: str = ""
    """The domain that it belongs to."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of the guests of one of Vagrant's providers, in `dotfile`."""

    dotfile: Path
    kind: str

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        path = self.dotfile / "doublehop" / self.kind
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def machine(self, name: str) -> str:
        """Vagrant's id of a guest; nothing where it is not made."""
        path = self.dotfile / "machines" / name / self.kind / "id"
        return path.read_text() if path.exists() else ""

    def mark(self, name: str) -> Mark | None:
        """How far this guest's provisioning came; nothing where it has not begun.

        Raises HostError when the mark is damaged: without it nobody knows whether the guest was told secrets.
        """
        path, machine = self.folder / f"{name}.mark", self.machine(name)
        if not path.exists() or not machine:
            return None
        remedy = f"put it back, or {self._anew(f'vagrant destroy {name}')} with {path} removed"
        found = _read(path, remedy)
        if found.keys() != {each.name for each in dataclasses.fields(Mark)}:
            raise HostError(f"{path} is no mark of a guest: {remedy}")
        return Mark(**found) if found["machine"] == machine else None

    def note(self, name: str, mark: Mark) -> None:
        """Keep how far a guest's provisioning came."""
        written(self.folder / f"{name}.mark", json.dumps(dataclasses.asdict(mark)))

    def known(self, names: Iterable[str]) -> Mapping[str, str] | None:
        """The guests' secrets; nothing where no guest was told one yet.

        Raises HostError when there are guests whose secrets nobody knows, or of which that cannot be said.
        """
        path, told = self.folder / SECRETS_FILE, sorted(name for name in names if self.mark(name))
        remedy = f"put it back, or {self._anew('vagrant destroy')}"
        if not told:
            return None
        if not path.exists():
            raise HostError(f"WinRM credential missing: {', '.join(told)} were told secrets, but {path} is not there; "
                            f"{remedy}")
        known: dict[str, str] = _read(path, remedy)
        lacking = [each for each in EVERY_SECRET if not known.get(each)]
        if lacking:
            raise HostError(f"WinRM credential missing: {path} has no {', '.join(lacking)}; {remedy}")
        return known

    def secrets(self, names: Iterable[str]) -> Mapping[str, str]:
        """The same, made where no guest was told one yet; they stay as long as there is one that was."""
        known = self.known(names)
        if known is not None:
            return known
        made = {each: new_secret() for each in EVERY_SECRET}
        written(self.folder / SECRETS_FILE, json.dumps(made))
        return made

    def _anew(self, destroy: str) -> str:
        return f"run `{DOTFILE}={self.dotfile} {destroy}` and begin anew"

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Keep the guests for this process, as long as it lives.

        Raises HostError when they are another's.
        """
        with (self.folder / "in-use").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as failure:
                raise HostError(f"another lab has the Windows guests of {self.kind}: wait for it, or run `doublehop "
                                "down`; they serve one at a time (no `pytest -n`)") from failure
            yield
