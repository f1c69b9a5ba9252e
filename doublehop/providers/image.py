"""What machines on our own image have in common, whoever starts them: its files, folders and environment."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from doublehop import cache
from doublehop.data import LAB
from doublehop.errors import LabError
from doublehop.model import Role
from doublehop.providers import Progress
from doublehop.topology import ImageSpec, Topology

PACKAGE = Path(__file__).parent.parent
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin", "LANG": "C.UTF-8", "HOME": "/root",
    "PYTHONPATH": "/opt/doublehop", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
}
IN_MEMORY = "exec,mode=755"
WRITABLE = {
    **dict.fromkeys(("/run", "/var/log", "/var/lib/samba", "/var/cache", "/state", "/root"), IN_MEMORY),
    **dict.fromkeys(("/tmp", "/var/tmp"), "exec,mode=1777"),
}
"""Folders in memory: what a machine writes there goes with it. The options are for containers, where Podman does not
take the mode of the folder below, as Docker does; PostgreSQL's replay cache is in `/var/tmp`."""
DC_SAMBA = "Samba of the domain controllers"
"""How it is called where these are of another release than the other machines."""
SHOWN_PACKAGES = {"samba": "Samba", "postgresql-17": "PostgreSQL", "libkrb5-3": "MIT krb5"}

MAKERS = {Role.DOMAIN_CONTROLLER: "domain.py", Role.BACK_END: "sql.py"}
"""Which module of `machine` makes the state that machines of a role start from."""

_BUILD = LAB / "image" / "build"


def built(spec: ImageSpec, progress: Progress) -> Path:
    """The root filesystem, built by `lab/image/build` the first time (about a minute)."""

    def build(path: Path) -> None:
        progress(f"building the lab image from Debian {spec.release} (once, about a minute)")
        process = subprocess.Popen(
            [_BUILD, spec.release, packages(spec), path, " ".join(spec.without), spec.apt],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )
        assert process.stderr is not None
        last: list[str] = []
        for line in process.stderr:
            last = [*last[-15:], line.rstrip()]
            if line.startswith("I: "):
                progress(f"lab image: {line[3:].strip()}")
        if process.wait() != 0:
            raise LabError("the lab image could not be built:\n" + "\n".join(last))

    return cache.built("images", key(spec), build)


def packages(spec: ImageSpec) -> Path:
    """The file that lists what is installed."""
    return LAB / "image" / spec.packages


def key(spec: ImageSpec) -> str:
    """What an image is kept under."""
    return cache.key_of(spec.release, packages(spec).read_bytes(), _BUILD.read_bytes(), repr((spec.without, spec.apt)))


def path(spec: ImageSpec) -> Path:
    """Where the root filesystem is, once it is built."""
    return cache.folder() / "images" / key(spec)


def versions_in(status: str) -> Mapping[str, str]:
    """What dpkg's list of packages says of the programs that matter."""
    found = {}
    for entry in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Package") in SHOWN_PACKAGES:
            found[SHOWN_PACKAGES[fields["Package"]]] = re.split(r"[+-]", fields["Version"].split(":")[-1])[0]
    return found


def versions(topology: Topology, known: Callable[[ImageSpec], Mapping[str, str]]) -> Mapping[str, str]:
    """What machines run of the programs that matter; `known` says it for one image."""
    dc = known(topology.dc_image).get("Samba") if topology.dc_image else None
    return {**known(topology.image), **({DC_SAMBA: dc} if dc else {})}


def snapshot_key(root: str, topology: Topology, name: str) -> str:
    """What the state that a machine starts from is kept under: it depends on image, topology and what makes it."""
    maker = PACKAGE / "machine" / MAKERS[topology.machines[name].role]
    return cache.key_of(root, name, repr(topology), topology.smb_conf(), maker.read_bytes())


@contextmanager
def as_tar(root: Path) -> Iterator[IO[bytes]]:
    """A root filesystem as a stream, with every file owned by root."""
    process = subprocess.Popen(["tar", "--create", "--owner=0", "--group=0", "--numeric-owner", "-C", root, "."],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.stdout.close()
        process.wait()
