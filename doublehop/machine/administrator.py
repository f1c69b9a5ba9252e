"""Carries directory changes to the domain controller as an administrator, as his workstation does.

The client's agent does this on its machine; for machines that have no agent of ours (Windows guests) it runs beside the
tests, where this module is a program of its own.
"""

import base64
from typing import Any

from ldap3.core.exceptions import LDAPOperationResult
from ldap3.utils.conv import escape_filter_chars

from doublehop.machine.agent import serve, until
from doublehop.machine.directory import KEY_VERSION, Change, Directory

_directory: dict[str, Any] = {}
_others: dict[str, Directory] = {}
"""The administrators' connections to other domains' directories, by what their entries' names end with."""


def start(*, dc: str, administrator: str, password: str, host: str = "", authorities: str = "",
          port: int = 636) -> None:
    """Open the administrator's connection to the directory.

    With authorities (a file of them) the domain controller has to show a certificate that one of them made for `host`.
    """
    _directory["server"] = {"host": dc, "name": host, "authorities": authorities, "port": port}
    _directory["how"] = {**_directory["server"], "user": administrator, "password": password}
    reconnect()


def reconnect() -> None:
    """Open the administrator's connection again, for when the domain controller was started anew."""
    _directory["admin"] = until("the directory", 30, lambda: Directory.signed_in(**_directory["how"]))


def administer(*, base_dn: str, dc: str, administrator: str, password: str) -> None:
    """Open an administrator's connection to another domain's directory as well."""
    _others[base_dn.lower()] = until("the directory", 30, lambda: Directory.signed_in(
        host=dc, user=administrator, password=password))


def _administrator(dn: str) -> Directory:
    """The connection to the directory that an entry is in."""
    found = next((each for base, each in _others.items() if dn.lower().endswith(f",{base}")), None)
    return found or _directory["admin"]


def _with_sids_of_others(change: Change, directory: Directory) -> Change:
    """Name principals of other directories by their SIDs; this one knows them by nothing else."""
    def named(dn: str) -> str | dict[str, str]:
        other = _administrator(dn)
        return dn if other is directory else {"base64": base64.b64encode(other.binary_sid(dn)).decode()}

    if "principals" not in change:
        return change
    return {**change, "principals": [named(each) for each in change["principals"]]}


def change(*, changes: list[Change]) -> dict[str, Any]:
    """Apply directory changes as administrator; gives their undo, or why the directories took none of them."""
    undo: list[Change] = []
    try:
        for directory in (_directory["admin"], *_others.values()):
            own = [each for each in changes if _administrator(each["dn"]) is directory]
            undo[:0] = directory.apply([_with_sids_of_others(each, directory) for each in own])
    except LDAPOperationResult as refusal:
        change(changes=undo)
        return {"refused": str(refusal)}
    return {"undo": undo}


def attempt(*, change: Change, user: str = "", password: str = "") -> str:
    """Try one change that may be refused, as administrator or as another account."""
    administrator: Directory = _directory["admin"]
    if not user:
        return administrator.attempt(change, administrator)
    directory = Directory.signed_in(**_directory["server"], user=user, password=password)
    try:
        return directory.attempt(change, administrator)
    finally:
        directory.close()


def read(*, dn: str, attributes: list[str]) -> dict[str, list[str]]:
    """Read attributes of one directory entry."""
    found: dict[str, list[str]] = _administrator(dn).read(dn, attributes)
    return found


def about(*, base_dn: str, accounts: list[str]) -> dict[str, Any]:
    """The domain's SID, and the versions of these accounts' keys."""
    directory: Directory = _directory["admin"]
    found = {each: directory.search(base_dn, f"(sAMAccountName={escape_filter_chars(each)})", [])[0][0]
             for each in accounts}
    versions = {name: int(directory.read(dn, [KEY_VERSION])[KEY_VERSION][0]) for name, dn in found.items()}
    return {"sid": directory.sid(base_dn), "versions": versions}


def sweep(*, base_dn: str) -> list[str]:
    """Delete what earlier runs left in a directory that outlives its lab, DNS records too; gives the DNs."""
    swept: list[str] = _directory["admin"].sweep([base_dn, f"DC=DomainDnsZones,{base_dn}"])
    return swept


if __name__ == "__main__":
    serve({"start": start, "reconnect": reconnect, "administer": administer, "change": change, "attempt": attempt,
           "read": read, "about": about, "sweep": sweep})
