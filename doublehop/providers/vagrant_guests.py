"""Windows guests through Vagrant: brought up, provisioned by the scripts of `lab/windows`, and where they answer.

Until a guest is provisioned it has no certificate, so that is done through Vagrant's own communicator; everything after
it is WinRM over HTTPS. Guests stay until `vagrant destroy`, because making them takes an hour; what belongs to them
(secrets, the authority) is kept beside what Vagrant knows of them, for their owner only.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doublehop import cache
from doublehop.data import LAB
from doublehop.errors import DoublehopError, HostError, InputError, LabError
from doublehop.model import Role
from doublehop.providers import Progress, Site
from doublehop.providers.authority import Authority
from doublehop.providers.vagrant_state import State
from doublehop.providers.windows import WRITE, Access, encoded, files, standing
from doublehop.providers.windows_provision import EVERY_SECRET, Hands, provisioned
from doublehop.providers.winrm import HTTPS_PORT, Account, Endpoint
from doublehop.run import CommandResult, run
from doublehop.topology import Topology

LDAPS_PORT = 636
PROVISION_SECONDS = 3600
COMMAND_SECONDS = 300
NOT_MADE = "not_created"
DESCRIBED = LAB / "vagrant" / "machines.json"
OPTIONS = LAB / "vagrant" / "options.json"
SQL_OPTION = "DOUBLEHOP_WINDOWS_SQL"
DOCUMENT = "C:/doublehop-document.json"
SECRETS_FILE = "secrets.json"
GO_ON = f"""\
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$all = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText('{DOCUMENT}'))
[IO.File]::Delete('{DOCUMENT}')
$files = $all.files
{WRITE}& 'FOLDER/provision.ps1' -Document $all.document
"""


def new_secret() -> str:
    """A password that Windows' complexity rule takes."""
    return f"{secrets.token_urlsafe(18)}aA1!"


@dataclass(frozen=True, slots=True)
class Guests(State):
    """What Vagrant knows of the Windows guests of one of its providers; boxes and plugins are the user's own."""

    @property
    def environment(self) -> dict[str, str]:
        """What `vagrant` is started with, wherever this process is."""
        return os.environ | self.options | self.own_environment

    @property
    def own_environment(self) -> dict[str, str]:
        """What says which guests are meant."""
        return {"VAGRANT_DOTFILE_PATH": str(self.folder / "machines"), "VAGRANT_CWD": str(self.root),
                "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1"}

    def command(self, *argv: str, seconds: float = COMMAND_SECONDS) -> CommandResult:
        """Run one of Vagrant's commands."""
        return run(["vagrant", *argv], env=self.environment, timeout=seconds)

    def where(self, name: str, port: int) -> tuple[str, int]:
        """Where a guest's port is reached from here: a port of this host, or the guest itself where none is."""
        forwarded = self.command("port", name, "--guest", str(port))
        if forwarded.code == 0 and forwarded.stdout.strip().isdigit():
            return "127.0.0.1", int(forwarded.stdout)
        with self._told("ssh-config"):
            return str(self._vagrant().hostname(vm_name=name)), port

    def restart(self, name: str) -> None:
        """Start a guest anew, and wait until it answers."""
        with self._told("reload"):
            self._vagrant().reload(vm_name=name, provision=False)

    def go_on(self, name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have `provision.ps1` of this checkout go on in a guest; the document is a file that nobody else can read."""
        path = self.folder / f"{name}.json"
        try:
            _written(path, json.dumps({"files": files(), "document": document}))
            self.command("upload", str(path), DOCUMENT, name).check()
        finally:
            path.unlink(missing_ok=True)
        by_winrm = self.command("winrm-config", name).code == 0
        command = " ".join(encoded(GO_ON))
        way = ["winrm", name, "--shell", "cmd", "--command"] if by_winrm else ["ssh", name, "--command"]
        done = self.command(*way, command, seconds=PROVISION_SECONDS)
        lines = [each for each in done.stdout.splitlines() if each.startswith("{")]
        if done.code != 0 or not lines:
            raise LabError(f"{name}: provisioning ended with {done.code}\n{done.stderr or done.stdout}".rstrip())
        answer: Mapping[str, Any] = json.loads(lines[-1])
        return answer


def _written(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def folder_of(kind: str) -> Path:
    """What belongs to the guests of one of Vagrant's providers."""
    folder = cache.folder() / "vagrant" / f"windows-{kind}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def described() -> Mapping[str, Any]:
    """The generated topology file.

    Raises InputError when it is not there or lacks what the scripts read.
    """
    try:
        found: dict[str, Any] = json.loads(DESCRIBED.read_text())
    except (OSError, ValueError) as failure:
        raise InputError(str(DESCRIBED), f"{failure}; {REMAKE}") from failure
    for key in ("realm", "domain", "dns", "network", "machines", "windows"):
        if key not in found:
            raise InputError(str(DESCRIBED), f"{key}: missing; {REMAKE}")
    return found


def with_options(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with the edition of SQL Server that the user's options choose.

    All other options are the Vagrantfile's, which has refused a wrong one before this is asked.
    """
    options: dict[str, Any] = json.loads(OPTIONS.read_text()) if OPTIONS.exists() else {}
    windows = described["windows"]
    chosen = os.environ.get(SQL_OPTION) or options.get(SQL_OPTION) or windows["sql"]
    return {**described, "windows": {**windows, "sql": chosen}}


REMAKE = "run python -m doublehop.providers.vagrant_machines > lab/vagrant/machines.json"


def kept_secrets(folder: Path, states: Mapping[str, str]) -> dict[str, str]:
    """The guests' secrets: made with the first guest, and kept as long as there is one.

    Raises HostError when there are guests whose secrets nobody knows.
    """
    path = folder / SECRETS_FILE
    there = sorted(name for name, state in states.items() if state != NOT_MADE)
    if there and not path.exists():
        raise HostError(f"WinRM credential missing: {', '.join(there)} are there, but not {path}; put it back, or run "
                        f"`VAGRANT_DOTFILE_PATH={folder / 'machines'} vagrant destroy` and begin anew")
    if not there:
        _written(path, json.dumps({each: new_secret() for each in EVERY_SECRET}))
    known: dict[str, str] = json.loads(path.read_text())
    lacking = [each for each in EVERY_SECRET if not known.get(each)]
    if lacking:
        raise HostError(f"WinRM credential missing: {path} has no {', '.join(lacking)}")
    return known


def brought_up(kind: str, topology: Topology, progress: Progress) -> Access:
    """Bring the guests up, and provision them if they are not what this checkout makes; gives how they are reached.

    Raises InputError and HostError for what is missing, before anything is made; LabError with Vagrant's or Windows'
    own words.
    """
    folder, file = folder_of(kind), described()
    # Vagrant looks for a provider of its own choice otherwise, also to say what there is.
    guests, authority = Guests(folder, {"VAGRANT_DEFAULT_PROVIDER": kind}), Authority(folder)
    try:
        states = guests.status()
    except HostError:
        if not (folder / SECRETS_FILE).exists():
            shutil.rmtree(folder)  # nothing was ever made
        raise
    file = with_options(file)
    known = kept_secrets(folder, states)
    progress(f"vagrant up --provider={kind} (once, with downloads: an hour or two)")
    try:
        guests.up(*topology.machines, provider=kind)
    except DoublehopError:
        if all(each == NOT_MADE for each in guests.status().values()):
            shutil.rmtree(folder)  # nothing was made, and so nothing is kept
        raise
    done, key = folder / "provisioned", cache.key_of(json.dumps([files(), file]), authority.pem)
    made = [each for each in topology.machines if states.get(each, NOT_MADE) == NOT_MADE]
    if made or not done.exists() or done.read_text() != key:
        hands = Hands(go_on=guests.go_on, restart=guests.restart)
        provisioned(topology, file, known, authority.issued, hands, progress)
        done.write_text(key)
    controller = topology.only(Role.DOMAIN_CONTROLLER)

    def endpoint(name: str, port: int) -> Endpoint:
        address, at = guests.where(name, port)
        return Endpoint(machine=name, host=topology.fqdn(name), address=address, port=at, authority=authority.path)

    return Access(
        endpoints={name: endpoint(name, HTTPS_PORT) for name in topology.machines},
        administrator=Account(user=f"{topology.domain}\\Administrator", password=known["administrator"]),
        directory=endpoint(controller, LDAPS_PORT), directory_password=known["administrator"],
        signed=authority.issued, restart=guests.restart,
    )


@contextmanager
def standing_by(kind: str, topology: Topology, progress: Progress) -> Iterator[Site]:
    """The machines of the guests, which are brought up where they are not; leaves them up."""
    own = Guests(folder_of(kind), {}).own_environment
    entered = ["env", *(f"{name}={value}" for name, value in own.items()), "vagrant", "winrm"]
    with one_lab_at_a_time(kind):
        access = brought_up(kind, topology, progress)
        with standing(topology, access, progress, lambda name: [*entered, name, "--command"]) as site:
            yield site


@contextmanager
def one_lab_at_a_time(kind: str) -> Iterator[None]:
    """Keep the guests for this process, as long as it lives.

    Raises HostError when they are another's.
    """
    with (folder_of(kind) / "in-use").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            raise HostError(f"another lab has the Windows guests of {kind}: wait for it, or run `doublehop down`; "
                            "they serve one at a time (no `pytest -n`)") from failure
        yield
