"""Looks at the host's processes, to prove that a lab left none."""

import os
from pathlib import Path

KINDS = ("net", "pid", "mnt", "uts", "user", "ipc")


def tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = set(), [root]
    while todo:
        each = todo.pop()
        found.add(each)
        todo += children.get(each, [])
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of some processes that have not ended."""
    return {each for each in pids if (stat := Path(f"/proc/{each}/stat")).exists() and ") Z " not in stat.read_text()}


def namespaces(pids: set[int]) -> set[str]:
    """The namespaces some processes are in, other than this one's own."""
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    found = set()
    for each in pids:
        for kind in KINDS:
            try:
                found.add(os.readlink(f"/proc/{each}/ns/{kind}"))
            except OSError:
                continue
    return found - own


def members(wanted: set[str]) -> set[int]:
    """The processes of this host that are in any of some namespaces, which live as long as one of these does.

    To be asked while the namespaces live: afterwards the kernel gives their numbers to the next who makes one.
    """
    return {pid for each in Path("/proc").glob("[0-9]*") if namespaces({pid := int(each.name)}) & wanted}
