"""A web server's membership in the domain: what winbindd needs to have NTLM checked by the domain controller.

The computer account and its password are there when the machine starts, so nothing is joined over the
network: the password is written where `net ads join` would leave it. winbindd starts with the first NTLM
message, because most of a lab's life needs none.
"""

import os
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from doublehop.machine.agent import until

CONFIGURATION = Path("/state/smb.conf")
SECRETS = Path("/state/private/secrets.tdb")
REMEMBERED = Path("/state/lock/gencache.tdb")
"""Where winbindd keeps for half a minute that no domain controller answered."""
FOLDERS = ("/state/private", "/state/state", "/state/cache", "/state/lock", "/run/samba", "/var/log/samba")
READY_SECONDS = 20
RETRY_SECONDS = 4.0
ASK_AGAIN_SECONDS = 0.05
"""Asking starts a program, which would take the time that winbindd needs to answer."""
ASK_SECONDS = 15
WORKSTATION = 2
"""The kind of secure channel of a member (SEC_CHAN_WKSTA, MS-NRPC 2.2.1.3.13)."""
DOM_SID_BYTES = 68
"""Size of Samba's `struct dom_sid`: revision, count, authority and room for fifteen subauthorities."""


@dataclass(slots=True)
class Member:
    """This machine's membership; `domain` is the short name that NTLM puts before a user's, `realm` its long one."""

    domain: str
    realm: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _winbindd: "subprocess.Popen[bytes] | None" = None
    _alone: bool = False

    def cut_off(self, *, cut: bool) -> None:
        """The domain controller has gone, or is there again; winbindd would take its time to notice either."""
        self._alone = cut
        self.end()
        REMEMBERED.unlink(missing_ok=True)

    def end(self) -> None:
        """End winbindd; the next message that needs it starts it again."""
        with self._lock:
            self._end()

    def ready(self) -> None:
        """Have winbindd up and trusted by the domain controller, if there is one.

        Raises TimeoutError when that does not come about.
        """
        with self._lock:
            if self._winbindd is not None and self._winbindd.poll() is None:
                return
            deadline = time.monotonic() + READY_SECONDS
            while not self._started():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"winbindd is not trusted by {self.domain} after {READY_SECONDS} s")

    def trusted(self) -> None:
        """Have a channel to the domain controller now, while this machine's password is what it was.

        One that stood falls with a domain controller that is started anew; the next message would have it made again.
        Raises TimeoutError as `ready` does.
        """
        self.ready()
        if not _answers("--check-secret"):
            self.end()
            self.ready()

    def _started(self) -> bool:
        """Start winbindd and wait a moment; one that came too early for the domain controller remembers that."""
        self._winbindd = subprocess.Popen(
            ["winbindd", "--foreground", "--no-process-group"], stdin=subprocess.DEVNULL, stdout=sys.stderr.buffer,
        )
        try:
            until("winbindd", RETRY_SECONDS, partial(_answers, "--ping" if self._alone else "--check-secret"),
                  every=ASK_AGAIN_SECONDS)
        except TimeoutError:
            self._end()
            return False
        return True

    def _end(self) -> None:
        if self._winbindd is not None:
            self._winbindd.terminate()
            self._winbindd.wait(ASK_SECONDS)
            self._winbindd = None


def _answers(question: str) -> bool | None:
    with suppress(subprocess.TimeoutExpired):
        asked = subprocess.run(["wbinfo", question], capture_output=True, timeout=ASK_SECONDS, check=False)
        return asked.returncode == 0 or None
    return None


def join(*, domain: str, realm: str, sid: str, smb_conf: str, password: str) -> Member:
    """Write the membership as a join would leave it; Samba reads these older keys and rewrites them as its own."""
    import tdb  # Samba's own, which only a machine has

    for each in FOLDERS:
        Path(each).mkdir(mode=0o755, parents=True, exist_ok=True)
    CONFIGURATION.write_text(smb_conf)
    database = tdb.open(str(SECRETS), 0, tdb.DEFAULT, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    for name, value in {
        "MACHINE_PASSWORD": password.encode() + b"\0",
        "MACHINE_SEC_CHANNEL_TYPE": struct.pack("<I", WORKSTATION),
        "MACHINE_LAST_CHANGE_TIME": struct.pack("<I", int(time.time())),
        "SID": dom_sid(sid),
    }.items():
        database.store(f"SECRETS/{name}/{domain}".encode(), value)
    database.close()
    return Member(domain=domain, realm=realm)


def dom_sid(text: str) -> bytes:
    """A SID as Samba keeps it in its databases, from its form `S-1-5-21-...`."""
    revision, authority, *parts = (int(each) for each in text.removeprefix("S-").split("-"))
    packed = struct.pack("<BB", revision, len(parts)) + authority.to_bytes(6, "big")
    return (packed + struct.pack(f"<{len(parts)}I", *parts)).ljust(DOM_SID_BYTES, b"\0")
