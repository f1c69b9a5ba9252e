"""The domain controller's agent: starts Samba from a provisioned snapshot and reads the KDC's log.

`prepare` copies the snapshot and gives krbtgt, the domain controller itself, the administrator and every member a new
secret, so that two labs share no key.
"""

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from doublehop.machine import certificates, trust
from doublehop.machine.agent import bring_up_network, run, serve, until
from doublehop.machine.domain import ABOUT, STATE, TLS, provision

SNAPSHOT = Path("/snapshot")
LOG = Path("/var/log/samba/samba.log")
ONLY_USER = {"LD_PRELOAD": "libuid_wrapper.so", "UID_WRAPPER": "1", "UID_WRAPPER_ROOT": "1"}
"""Samba's own way to run where there is one user: it believes that it became another (decision 3)."""
FOR_MEMBERS = ("smbd", "winbindd")
"""What a member's winbindd needs of a domain controller before it can ask about NTLM."""
ENDING_SECONDS = 10
LAST_MOMENT_SECONDS = 1
"""What a dying Samba is given between its last connection and its end; a lab that broke otherwise waits as long for
each domain."""
Entries = dict[str, dict[str, bytes]]
"""What entries of a database get: DN, attribute, value."""

_samba: list["subprocess.Popen[bytes]"] = []


def prepare(*, address: str, prefix: int, host: str, realm: str, domain: str,
            passwords: dict[str, str]) -> dict[str, Any]:
    """Start Samba on a copy of the domain in which each of these accounts has this password.

    Gives each account's key version, and the domain's SID.
    """
    bring_up_network(address=address, prefix=prefix)
    shutil.copytree(SNAPSHOT, STATE, dirs_exist_ok=True)
    secrets_by_file = _new_secrets(passwords, host=host, domain=domain, base=_base(realm))
    with ThreadPoolExecutor() as side_by_side:
        for each in [side_by_side.submit(_make_certificate, f"{host}.{realm.lower()}"),
                     *(side_by_side.submit(_modify, *each) for each in secrets_by_file.items())]:
            each.result()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.touch()
    _run_samba()
    about = json.loads(ABOUT.read_text())
    return {"sid": about["sid"], "versions": {name: about["versions"][name] + 1 for name in passwords}}


def _base(realm: str) -> str:
    return ",".join(f"DC={each}" for each in realm.split("."))


def start(*, address: str) -> None:
    """Wait until Kerberos, LDAP and DNS answer."""
    _wait_for_samba(address)
    _serve_members()


def _run_samba(*options: str) -> None:
    _samba[:] = [subprocess.Popen(
        ["samba", "--foreground", "--no-process-group", "--model=single", *options], stdin=subprocess.DEVNULL
    )]


def _wait_for_samba(address: str) -> None:
    for port in (88, 636, 53):
        until(f"port {port} of the domain controller", 30, partial(_answers, address, port))


def restrict_ntlm(*, address: str, deny: bool) -> None:
    """Refuse every NTLM logon in the domain, or take them again.

    Samba reads `ntlm auth` when it starts, so it is started anew; members find it again by themselves.
    """
    _samba[0].terminate()
    _samba[0].wait(ENDING_SECONDS)
    _run_samba(*(["--option=ntlm auth=disabled"] if deny else []))
    _wait_for_samba(address)


def _serve_members() -> None:
    """Start SMB with less priority, since nobody waits for it: only NTLM needs it, and a member waits by itself.

    `samba` would start these two among its own services, at the cost of everyone who waits for the KDC.
    """
    Path("/run/samba").mkdir(exist_ok=True)
    for each in FOR_MEMBERS:
        subprocess.Popen(
            ["nice", each, "--foreground", "--no-process-group", "--option=server role check:inhibit=yes"],
            stdin=subprocess.DEVNULL, env={**os.environ, **ONLY_USER},
        )


def _new_secrets(passwords: dict[str, str], *, host: str, domain: str, base: str) -> dict[str, Entries]:
    """These passwords, and some nobody has to know: krbtgt's, whose key signs every TGT, and this machine's own.

    Samba reads its own machine's password when it starts, so all of it happens before, in the files it starts from.
    """
    own = secrets.token_urlsafe(48)
    accounts = {f"CN=krbtgt,CN=Users,{base}": secrets.token_urlsafe(48),
                f"CN={host.upper()},OU=Domain Controllers,{base}": own,
                **{_dn(name, base): each for name, each in passwords.items()}}
    return {
        "sam.ldb": {dn: {"clearTextPassword": each.encode("utf-16-le")} for dn, each in accounts.items()},
        "secrets.ldb": {f"flatname={domain},cn=Primary Domains": {"secret": own.encode(),
                                                                  "msDS-KeyVersionNumber": b"2"}},
    }


def _dn(account: str, base: str) -> str:
    return f"CN={account[:-1]},CN=Computers,{base}" if account.endswith("$") else f"CN={account},CN=Users,{base}"


def _modify(database: str, entries: Entries) -> None:
    """Replace values in one of Samba's databases, through the modules that derive keys and keytabs from them."""
    run("ldbmodify", f"--configfile={STATE}/smb.conf", "-H", f"{STATE}/private/{database}", stdin="\n".join(
        f"dn: {dn}\nchangetype: modify\n" + "-\n".join(
            f"replace: {name}\n{name}:: {base64.b64encode(value).decode()}\n" for name, value in attributes.items())
        for dn, attributes in entries.items()
    ))


def _make_certificate(name: str) -> None:
    old_mask = os.umask(0o077)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "30",
        "-keyout", str(TLS / "key.pem"), "-out", str(TLS / "cert.pem"))
    shutil.copy(TLS / "cert.pem", TLS / "ca.pem")
    os.umask(old_mask)


def _answers(address: str, port: int) -> bool:
    _check_that_it_runs()
    with socket.create_connection((address, port), timeout=1):
        return True


def _check_that_it_runs() -> None:
    if _samba[0].poll() is not None:
        raise RuntimeError("samba ended:\n" + "\n".join(LOG.read_text().splitlines()[-20:]))


def check() -> None:
    """Refuse where Samba ended, also if it is only about to have: for whoever lost a connection to it.

    A process that dies closes its connections first and can be waited for last (Linux: `do_exit`), so those who miss
    it may ask before it is gone.
    """
    with suppress(subprocess.TimeoutExpired):
        _samba[0].wait(LAST_MOMENT_SECONDS)
    _check_that_it_runs()


def log_mark() -> int:
    """Where the KDC's log ends now, in bytes."""
    _check_that_it_runs()
    return LOG.stat().st_size


def log_since(*, mark: int, matching: str = "") -> str:
    """The lines that the domain controller logged after a mark and that match a regular expression."""
    with LOG.open("rb") as file:
        file.seek(mark)
        text = file.read().decode(errors="replace")
    wanted = re.compile(matching)
    return "\n".join(each for each in text.splitlines() if wanted.search(each))


def plant_spn(*, dn: str, spn: str) -> None:
    """Give an account an SPN that the directory would refuse as a duplicate (row A-10).

    The write goes to the partition's own database file, below the module that checks uniqueness; that is
    how such a directory looks after replication conflicts or on domain controllers older than 2012 R2.
    """
    import ldb

    _modify_below(dn, "servicePrincipalName", [spn], ldb.FLAG_MOD_ADD)


def forget_aes_keys(*, dn: str) -> None:
    """Leave an account with its NT hash only, as one whose password is older than the domain's AES keys (row G-02).

    The directory derives every key whenever a password is set over LDAP, so this too is done below it.
    """
    import ldb

    _modify_below(dn, "supplementalCredentials", [], ldb.FLAG_MOD_DELETE)


def _modify_below(dn: str, attribute: str, values: list[str], how: int) -> None:
    import ldb

    partition = dn[dn.upper().index("DC=") :].upper()
    database = ldb.Ldb(f"tdb://{STATE}/private/sam.ldb.d/{partition}.ldb", flags=ldb.FLG_DONT_CREATE_DB)
    message = ldb.Message(ldb.Dn(database, dn))
    message[attribute] = ldb.MessageElement(values, how, attribute)
    database.modify(message)


if __name__ == "__main__":
    serve({
        "provision": provision, "prepare": prepare, "start": start, "check": check,
        "log_mark": log_mark, "log_since": log_since,
        "plant_spn": plant_spn, "forget_aes_keys": forget_aes_keys, "restrict_ntlm": restrict_ntlm,
        "issue_certificate": certificates.issue_certificate, "make_trust": trust.make,
        "set_trust_encryption_types": trust.set_encryption_types, "domain_sid": trust.own_sid,
    })
