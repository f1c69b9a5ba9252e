"""What is built once and kept in the user's cache folder: root filesystems and provisioned state.

A thing is built under another name and renamed when it is whole; a lock keeps two runs from building the
same thing at once.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """`$XDG_CACHE_HOME/doublehop` or `~/.cache/doublehop`, readable by its owner only."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "doublehop"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def key_of(*parts: bytes | str) -> str:
    """A short name for content, so that a changed input means another entry."""
    digest = hashlib.sha256()
    for each in parts:
        data = each.encode() if isinstance(each, str) else each
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def built(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The cached folder of this kind and key, made by `build(path)` when it is not there yet."""
    shelf = folder() / kind
    shelf.mkdir(mode=0o700, exist_ok=True)
    path = shelf / key
    if path.exists():
        return path
    with locked(shelf / f"{key}.lock"):
        if not path.exists():
            partial = shelf / f"{key}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                build(partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            partial.rename(path)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs of this user out meanwhile."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
