"""Which labs are somebody's: a file for each in the cache folder, locked as long as its run lives.

The kernel lets go of the lock however the run ends, so a file that can be locked belongs to a killed run. One
user's runs see only their own, and a lab of another user or host is never taken for a leftover.
"""

import fcntl
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from doublehop import cache


def _shelf(provider: str) -> Path:
    shelf = cache.folder() / "labs" / provider
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shelf


@contextmanager
def claimed(provider: str) -> Iterator[str]:
    """A new lab's id; it is this process's inside the context. Say `forget` once nothing of it is left."""
    lab = secrets.token_hex(4)
    beginning = _shelf(provider) / f".{lab}"
    with beginning.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        beginning.rename(beginning.with_name(lab))  # nobody ever sees it free
        yield lab


def abandoned(provider: str) -> Sequence[str]:
    """The ids of labs whose run has ended without taking them down."""
    return sorted(path.name for path in _shelf(provider).glob("[!.]*") if _is_free(path))


def _is_free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def forget(provider: str, lab: str) -> None:
    """Nothing of this lab is left."""
    (_shelf(provider) / lab).unlink(missing_ok=True)
