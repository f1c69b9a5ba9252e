"""Checks whether this machine can run labs; each check is one line with its remedy."""

import getpass
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doublehop import cache
from doublehop.providers import Provider
from doublehop.providers.image import DC_SAMBA
from doublehop.topology import Topology

NEEDED_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a lab needs here."""

    ok: bool
    what: str


def checks(provider: Provider, topology: Topology) -> Iterator[Check]:
    """Everything the provider needs of this machine."""
    problems = provider.check()
    yield from (Check(False, each) for each in problems)
    if not problems:
        yield Check(True, f"the {provider.name} provider can start machines")
    yield _sub_ids()
    free = shutil.disk_usage(cache.folder()).free
    yield Check(free > NEEDED_BYTES, f"{free >> 20} MB free in {cache.folder()} (a lab image takes 700 MB)")
    images = [each for each in (cache.folder() / "images").glob("*") if each.is_dir()]
    yield Check(True, f"the lab image {_state(bool(images))}")
    if topology.dc_image:
        yield Check(True, f"the domain controllers' image of Debian {topology.dc_image.release} "
                          f"{_state(DC_SAMBA in provider.versions(topology))}")


def _state(built: bool) -> str:
    return "is built" if built else "is not built yet: the first run does that, in about a minute"


def _sub_ids() -> Check:
    """An ordinary user's image is built in a user namespace that needs subordinate ids."""
    if os.getuid() == 0:
        return Check(True, "root builds the image directly")
    user = getpass.getuser()
    table = Path("/etc/subuid")
    lines = table.read_text().splitlines() if table.exists() else []
    found = any(each.startswith((f"{user}:", f"{os.getuid()}:")) for each in lines)
    remedy = "" if found else f": as root, run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`"
    return Check(found, f"{user} has subordinate user ids{remedy}")
