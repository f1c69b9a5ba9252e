"""Reads the KDC's own log: one record for each ticket request, with its reason for a refusal. Pure.

The lines are those of Samba's Heimdal KDC at `log level = kerberos:5`: a result line for each request,
`TGS-REQ ERR_BADOPTION ipv4:10.93.0.21:4242 CLIENT SERVICE key=value ...`, values with escaped blanks.
"""

import re
from collections.abc import Iterator

from doublehop.codes import from_minor, name_of
from doublehop.model import Encryption, KdcLine

RESULT = r"Kerberos: (AS|TGS)-REQ (SUCCESS|ERR_[A-Z_]+|KRB5KRB_AP_ERR_[A-Z_]+|UNKNOWN\S*) ipv[46]:(\S+) (\S+) (\S+)(.*)"
UNREAD = "<unknown>"
"""What stands for the names in a request that the KDC refused before it read them."""
UNNAMED = "KDC_UNKNOWN-0"
"""A refusal that Samba's KDC before 4.18 has no name for in its log: only the client hears which it is."""
_RESULT = re.compile(RESULT)
_PAIR = re.compile(r" ([\w#-]+)=(.*?)(?= [\w#-]+=|$)")
ENCRYPTIONS = {"3": Encryption.DES, "17": Encryption.AES128, "18": Encryption.AES256, "23": Encryption.RC4}
"""Ticket encryption types by their numbers on the wire (RFC 3961 section 8, RFC 4757; row G-09)."""


def parse(text: str) -> Iterator[KdcLine]:
    """Each request's result line, in order; all other lines are passed over."""
    for line in text.splitlines():
        found = _RESULT.search(line)
        if found is None:
            continue
        kind, result, _, client, service, rest = found.groups()
        pairs = {key: value.replace("\\s", " ") for key, value in _PAIR.findall(rest)}
        yield KdcLine(
            kind=kind,
            client=_account(client),
            service="" if service == UNREAD else service.partition("@")[0],
            error=_error(result),
            reason=pairs.get("reason", pairs.get("e-text", "")),
            impersonated=_account(pairs.get("impersonatee", "")),
            encryption=_encryption(pairs.get("etype", "")),
            text=line.strip(),
        )


def _account(principal: str) -> str:
    return principal.partition("@")[0]


def _error(result: str) -> str:
    """The protocol's name of a result; Heimdal gives the number of those it has no word for."""
    if result == "SUCCESS":
        return ""
    if result.startswith("KRB5KRB_"):
        return result.replace("KRB5KRB_", "KRB_")
    number = result.removeprefix("UNKNOWN-")
    return name_of(from_minor(int(number))) if re.fullmatch(r"-[0-9]+", number) else f"KDC_{result}"


def _encryption(types: str) -> str:
    """The ticket's type out of `REPLY/TICKET`; a number nobody has named stays a number."""
    number = types.rpartition("/")[2]
    return ENCRYPTIONS.get(number, number)
