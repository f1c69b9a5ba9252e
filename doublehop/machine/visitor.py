"""The client of an environment that is not the lab's: it signs in, looks and asks for pages, and changes nothing.

It is the lab's own client (`client.py`) without an administrator. What it sees it tells as it is.
"""

import socket
from typing import Any
from urllib.parse import urlsplit

import gssapi
import requests
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException, LDAPNoSuchObjectResult
from ldap3.protocol.formatters.formatters import format_sid
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from doublehop.codes import from_minor, name_of
from doublehop.machine.agent import serve
from doublehop.machine.client import get_tgt, probe, sign_out, write_policies
from doublehop.machine.directory import ACT_ON_BEHALF, KEY_VERSION, Directory, allowed_by

SECONDS = 5
AUTHORITIES = "/run/authorities.pem"
ACCOUNT = ["sAMAccountName", "objectSid", "servicePrincipalName", "userAccountControl", "msDS-AllowedToDelegateTo",
           ACT_ON_BEHALF, "msDS-SupportedEncryptionTypes", "msDS-GroupMSAMembership", KEY_VERSION]
FIRST_OWN = 1000
"""Relative ids below it are those of groups that every domain has (MS-SAMR 2.2.1.14)."""
PROTECTED_USERS = 525
GLOBAL, DOMAIN_LOCAL = 0x2, 0x4
"""Bits of groupType (MS-ADTS 2.2.12)."""
DOMAIN_SID_BYTES = 28
"""S-1-5-21 and four numbers: an account or a group of a domain."""

_directory: list[Directory] = []
"""The reader's connection, once there is one."""


def start() -> None:
    """Make ready; nothing is asked of anybody yet."""
    write_policies()


def sign_in(*, principal: str, password: str) -> dict[str, str]:
    """Get a user's TGT; gives the Kerberos error and the library's words when there is none."""
    try:
        get_tgt(principal, password)
    except gssapi.exceptions.GSSError as failure:
        return {"error": name_of(from_minor(failure.min_code)), "native": str(failure)}
    return {}


def reach(*, host: str, port: int) -> str:
    """Why nothing answers at an address, or nothing."""
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as failure:
        return str(failure)
    return ""


def resolve(*, names: list[str]) -> dict[str, dict[str, Any] | None]:
    """The name and the addresses that each name leads to; None for one that has none."""
    return {each: _resolved(each) for each in names}


def _resolved(name: str) -> dict[str, Any] | None:
    try:
        found = socket.getaddrinfo(name, None, family=socket.AF_INET, flags=socket.AI_CANONNAME,
                                   type=socket.SOCK_STREAM)
    except socket.gaierror as failure:
        if failure.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            return None
        raise
    return {"canonical": (found[0][3] or name).rstrip("."), "addresses": sorted({str(each[4][0]) for each in found})}


def offers(*, url: str) -> dict[str, Any]:
    """What a page says to somebody who proves nothing."""
    if _resolved(str(urlsplit(url).hostname)) is None:
        return {"unresolved": True}
    try:
        response = requests.get(url, timeout=SECONDS, allow_redirects=False, verify=False)
    except requests.exceptions.RequestException as failure:
        return {"unreachable": f"{urlsplit(url).netloc}: {failure}"}
    offered = [each.strip().partition(" ")[0] for each in response.headers.get("WWW-Authenticate", "").split(",")]
    return {"status": response.status_code, "schemes": [each for each in offered if each]}


def look(*, ldap: str, user: str, password: str, base: str, accounts: list[str],
         hosts: list[str]) -> dict[str, Any]:
    """What the directory tells this reader of some accounts, and who holds SPNs of some hosts.

    The reader signs in once; a connection that the directory has ended meanwhile is opened again.
    """
    def told(directory: Directory) -> dict[str, Any]:
        return {"accounts": {each: _account(directory, base, each) for each in accounts},
                "spns": _holders(directory, base, hosts)}

    if _directory:
        try:
            return told(_directory[0])
        except LDAPCommunicationError:
            _directory.clear()
    try:
        _directory.append(Directory.signed_in(host=ldap, user=user, password=password, seconds=SECONDS,
                                              authorities=AUTHORITIES))
    except (LDAPException, OSError) as failure:
        return {"refused": str(failure)}
    return told(_directory[0])


def _account(directory: Directory, base: str, name: str) -> dict[str, Any] | None:
    """What is to be seen of one account; None when it is not there, or not for this reader."""
    found = directory.search(base, f"(sAMAccountName={escape_filter_chars(name)})", ACCOUNT)
    if not found:
        return None
    dn, values = found[0]
    numbers = {each: int(values[each][0]) if values[each] else None
               for each in ("userAccountControl", "msDS-SupportedEncryptionTypes")}
    groups = _groups(directory, dn, base)
    return {
        "spns": _texts(values["servicePrincipalName"]),
        "control": numbers["userAccountControl"],
        "delegates": _texts(values["msDS-AllowedToDelegateTo"]),
        "act": _named(directory, base, values[ACT_ON_BEHALF]),
        "retrieve": _named(directory, base, values["msDS-GroupMSAMembership"]),
        "encryption": numbers["msDS-SupportedEncryptionTypes"],
        **groups,
    }


def _texts(values: list[bytes]) -> list[str]:
    return [each.decode() for each in values]


def _named(directory: Directory, base: str, descriptors: list[bytes]) -> list[str]:
    """The accounts that descriptors grant something to, by name, or by SID when they are not to be seen."""
    sids = [sid for each in descriptors for sid in allowed_by(each)]
    named = []
    for sid in sids:
        found = directory.search(base, f"(objectSid={escape_bytes(sid)})", ["sAMAccountName"])
        named.append(found[0][1]["sAMAccountName"][0].decode() if found else str(format_sid(sid)))
    return named


def _groups(directory: Directory, dn: str, base: str) -> dict[str, Any]:
    """How many groups of the domain's own an account is a member of, directly or not (MS-ADTS 3.1.1.4.5.19)."""
    try:
        sids = directory.raw(dn, ["tokenGroups"])["tokenGroups"]
    except LDAPNoSuchObjectResult:
        sids = []
    ids = {sid: int.from_bytes(sid[-4:], "little") for sid in sids if len(sid) == DOMAIN_SID_BYTES}
    counts = {GLOBAL: 0, DOMAIN_LOCAL: 0}
    for sid, number in ids.items():
        if number < FIRST_OWN:
            continue
        for _, values in directory.search(base, f"(objectSid={escape_bytes(sid)})", ["groupType"]):
            kind = int(values["groupType"][0]) & (GLOBAL | DOMAIN_LOCAL)
            counts[kind] = counts.get(kind, 0) + 1
    return {"groups": counts[GLOBAL], "local_groups": counts[DOMAIN_LOCAL],
            "protected": PROTECTED_USERS in ids.values()}


def _holders(directory: Directory, base: str, hosts: list[str]) -> dict[str, list[str]]:
    """Every SPN of these hosts, whatever its class, with the accounts that hold it."""
    held: dict[str, list[str]] = {}
    parts = [f"(servicePrincipalName={service}/{escape_filter_chars(host)}{rest})"
             for host in hosts for service in ("HTTP", "HOST", "MSSQLSvc") for rest in ("", ":*")]
    found = directory.search(base, f"(|{''.join(parts)})", ["sAMAccountName", "servicePrincipalName"]) if parts else []
    for _, values in found:
        account = values["sAMAccountName"][0].decode()
        for spn in _texts(values["servicePrincipalName"]):
            held.setdefault(spn, []).append(account)
    return held


if __name__ == "__main__":
    serve({"start": start, "sign_in": sign_in, "sign_out": sign_out, "probe": probe, "reach": reach,
           "resolve": resolve, "offers": offers, "look": look})
