"""Reads the KDC's own log: one record for each ticket request, with its reason for a refusal. Pure.

The lines are those of Samba's Heimdal KDC at `log level = kerberos:5`: a result line for each request,
`TGS-REQ ERR_BADOPTION ipv4:10.93.0.21:4242 CLIENT SERVICE key=value ...`, values with escaped blanks.
"""

import re
from collections.abc import Iterator

from doublehop.model import KdcLine

RESULT = r"Kerberos: (AS|TGS)-REQ (SUCCESS|ERR_[A-Z_]+|UNKNOWN\S*) ipv[46]:(\S+) (\S+) (\S+)(.*)"
_RESULT = re.compile(RESULT)
_PAIR = re.compile(r" ([\w#-]+)=(.*?)(?= [\w#-]+=|$)")


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
            service=service.partition("@")[0],
            error="" if result == "SUCCESS" else f"KDC_{result}",
            reason=pairs.get("reason", pairs.get("e-text", "")),
            impersonated=_account(pairs.get("impersonatee", "")),
            text=line.strip(),
        )


def _account(principal: str) -> str:
    return principal.partition("@")[0]
