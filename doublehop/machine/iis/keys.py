"""The accounts whose keys a web server holds, and the credentials it makes from them.

A process on Windows acts through its logon session; here that is a keytab (what opens tickets) and a
credential cache (what goes out on hop 2) for each account.
"""

import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gssapi

from doublehop.machine.agent import make_keytab, run, write_secret

FOLDER = Path("/run/iis") / str(os.getpid())
"""Each agent has its own: one that stands in for another (a clock that is off) must not meet the other's files."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the domain with its key on this machine; `name` is its sAMAccountName."""

    name: str
    principal: str
    folder: Path

    @property
    def keytab(self) -> str:
        """The keytab's residual name."""
        return f"FILE:{self.folder / 'keytab'}"

    @property
    def ccache(self) -> str:
        """Where the account's own tickets are kept."""
        return f"FILE:{self.folder / 'ccache'}"

    def credentials(self) -> gssapi.Credentials:
        """What accepts tickets for the account and, for a caller it accepted, asks the KDC for proxy tickets.

        With usage `both` MIT makes an S4U2Proxy credential out of the caller's ticket (MS-SFU 3.1.5.2).
        No name is given: the ticket may be for any of the account's SPNs, and only its key matters.
        """
        return gssapi.Credentials(usage="both", store={
            "keytab": self.keytab, "client_keytab": self.keytab, "ccache": self.ccache,
        })

    def acceptor(self) -> gssapi.Credentials:
        """What accepts tickets for the account and nothing else: all that is left of it without a KDC."""
        return gssapi.Credentials(usage="accept", store={"keytab": self.keytab})

    def examiner(self) -> gssapi.Credentials:
        """What reads a refused token once more for the reason: without the record of those seen, where it is by now."""
        return gssapi.Credentials(usage="accept", store={"keytab": self.keytab, "rcache": "none:"})

    def sign_in(self) -> None:
        """Get the account's TGT, as a service does when it starts."""
        self.initiator().inquire(lifetime=True)

    def initiator(self) -> gssapi.Credentials:
        """The account's own credential for the network."""
        return gssapi.Credentials(usage="initiate", store={"client_keytab": self.keytab, "ccache": self.ccache})


def unlock(*, name: str, principal: str, salt: str, kvno: int, password: str,
           encryption_types: Sequence[str] = ("AES256", "AES128")) -> Account:
    """Derive an account's key on this machine."""
    folder = FOLDER / f"{next(_numbers)}-{name}"
    make_keytab(folder / "keytab", principal=principal, salt=salt, kvno=kvno, password=password,
                encryption_types=encryption_types)
    return Account(name=name, principal=principal, folder=folder)


def unlock_with(keytab: bytes, *, name: str, principal: str) -> Account:
    """An account whose keytab is ready."""
    folder = FOLDER / f"{next(_numbers)}-{name}"
    write_secret(folder / "keytab", keytab)
    return Account(name=name, principal=principal, folder=folder)


def sign_in(*, principal: str, password: str) -> str:
    """Sign an account in with its password (`<identity userName password>`, row B-14); gives its ccache."""
    folder = FOLDER / f"{next(_numbers)}-signed-in"
    folder.mkdir(mode=0o700, parents=True)
    ccache = f"FILE:{folder / 'ccache'}"
    run("kinit", "-c", ccache, principal, stdin=password)
    return ccache


def new_ccache() -> str:
    """A fresh cache for one caller's credential."""
    folder = FOLDER / "callers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"FILE:{folder / str(next(_numbers))}"


def content(ccache: str) -> bytes:
    """A cache's bytes, as MIT wrote them."""
    return Path(ccache.removeprefix("FILE:")).read_bytes()


def forget(ccache: str) -> None:
    """Destroy a cache."""
    Path(ccache.removeprefix("FILE:")).unlink(missing_ok=True)


def forget_all(accounts: list[Account]) -> None:
    """Destroy what `unlock` made."""
    for each in accounts:
        shutil.rmtree(each.folder, ignore_errors=True)
