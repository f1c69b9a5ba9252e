"""Reads the KDC's own log: one record for each ticket request, with its reason for a refusal. Pure.

The lines are those of Samba's Heimdal KDC at `log level = kerberos:5`: a result line for each request,
`TGS-REQ ERR_BADOPTION ipv4:10.93.0.21:4242 CLIENT SERVICE key=value ...`, values with escaped blanks.
A Windows KDC leaves events in the Security log instead, with the same things by name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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


def parse(told: str | Sequence[Mapping[str, Any]]) -> Iterator[KdcLine]:
    """Each request's record, in order, of whichever make the KDC is; everything else is passed over."""
    return _of_lines(told) if isinstance(told, str) else _of_events(told)


REQUESTS = {4768: "AS", 4771: "AS", 4769: "TGS"}
"""Events of the Security log: a TGT was asked for, its preauthentication failed, a service ticket was asked for."""
TGT_SERVICE = "krbtgt"


def _of_events(events: Sequence[Mapping[str, Any]]) -> Iterator[KdcLine]:
    """Windows names the service by its account and not by the SPN that was asked for; `of_a_service` allows for that.

    Evidence of an S4U request is only that services were transited, so whom it was for is not told.
    """
    for event in events:
        kind, data = REQUESTS.get(int(event["id"]), ""), event["data"]
        if kind:
            status, encryption = (int(data.get(name) or "0", 16) for name in ("Status", "TicketEncryptionType"))
            yield KdcLine(
                kind=kind, client=_account(data.get("TargetUserName", "")),
                service=data.get("ServiceName", "").partition("@")[0], error=name_of(status) if status else "",
                encryption="" if status else ENCRYPTIONS.get(str(encryption), str(encryption)),
                text=" ".join([f"event {event['id']}", *(f"{name}={value}" for name, value in data.items() if value)]),
            )


def by_account(line: KdcLine) -> bool:
    """Whether a record names the account of a service instead of what was asked for.

    An account that asks for a ticket to itself (S4U2Self) does ask for it by that name.
    """
    named = line.kind == "TGS" and line.service != "" and "/" not in line.service
    return named and line.service.lower() not in {TGT_SERVICE, line.client.lower()}


def of_a_service(line: KdcLine, spn: str) -> bool:
    """Whether a record may be that of the request for this service's ticket."""
    return not line.service or by_account(line) or line.service.lower().startswith(spn.lower())


def _of_lines(text: str) -> Iterator[KdcLine]:
    """Samba's lines."""
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
