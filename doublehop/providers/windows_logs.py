"""What Windows machines logged, in words: events, IIS's lines and traces, tickets, the database's connections. Pure.

It reads what `collect-evidence.ps1` gives. Events are told by their data, whose names Microsoft publishes; those that
the KDC and Kerberos write into the System log, by Windows' own sentence.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from doublehop.codes import labelled, name_of
from doublehop.kdclog import ENCRYPTIONS

Record = dict[str, Any]
"""The fields of `model.Logged` but for the machine."""
Data = Mapping[str, str]

UNAUTHORIZED = 401
ON_THE_WAY = {0, 5, 0x8009030E}
"""What `sc-win32-status` has of a 401 that only asks for credentials, or for the next leg (KB 907273, KB 969060)."""
WIN32 = {
    5: "ERROR_ACCESS_DENIED", 64: "ERROR_NETNAME_DELETED", 1326: "ERROR_LOGON_FAILURE",
    0x80090308: "SEC_E_INVALID_TOKEN", 0x8009030C: "SEC_E_LOGON_DENIED", 0x8009030E: "SEC_E_NO_CREDENTIALS",
    0x80090322: "SEC_E_WRONG_PRINCIPAL", 0x80090324: "SEC_E_TIME_SKEW", 0x80090346: "SEC_E_BAD_BINDINGS",
}
"""Why a token was refused, as `sc-win32-status` has it (MS-ERREF 2.1 and 2.2)."""
OF_KERBEROS = {"SEC_E_WRONG_PRINCIPAL": "KRB_AP_ERR_MODIFIED", "SEC_E_TIME_SKEW": "KRB_AP_ERR_SKEW"}
"""What SSPI makes of an error of Kerberos', by whose name scenarios know it."""
NTSTATUS = {
    0xC000005E: "STATUS_NO_LOGON_SERVERS", 0xC0000064: "STATUS_NO_SUCH_USER", 0xC000006A: "STATUS_WRONG_PASSWORD",
    0xC000006D: "STATUS_LOGON_FAILURE", 0xC000006E: "STATUS_ACCOUNT_RESTRICTION",
    0xC0000071: "STATUS_PASSWORD_EXPIRED", 0xC0000072: "STATUS_ACCOUNT_DISABLED",
    0xC0000133: "STATUS_TIME_DIFFERENCE_AT_DC", 0xC000015B: "STATUS_LOGON_TYPE_NOT_GRANTED",
    0xC0000193: "STATUS_ACCOUNT_EXPIRED", 0xC0000224: "STATUS_PASSWORD_MUST_CHANGE",
    0xC0000234: "STATUS_ACCOUNT_LOCKED_OUT", 0xC0000418: "STATUS_NTLM_BLOCKED",
}
"""Why a logon was refused (MS-ERREF 2.3.1)."""
LEVELS = {"%%1831": "Anonymous", "%%1832": "Identification", "%%1833": "Impersonation", "%%1840": "Delegation"}
"""The impersonation levels of event 4624, which stand for words of the system's language."""
KERBEROS_ERROR = 3
BY_NETWORK = {"3", "4", "8"}
"""Logons over the network, by a task, and over the network with a password in the clear; others are Windows' own."""
LAB_ITSELF = "administrator"
"""Who starts the lab's scripts on every machine, and so signs in there all the time."""


def told(document: Mapping[str, Any]) -> list[Record]:
    """Everything that a machine collected and that is of a scenario, in words."""
    return [
        *(_event(each) for each in document["events"] if _of_a_scenario(each)),
        *(_request(each) for each in document["requests"]),
        *(_trace(each) for each in document["traces"]),
        *(_ticket(*each) for each in _tickets(document["tickets"])),
        *(_connection(each) for each in document["connections"]),
    ]


def request_line(request: Mapping[str, Any]) -> dict[str, Any]:
    """A line of IIS's log as the reference front end notes a request: `error` names why it let nobody in."""
    status, code = int(request.get("sc-status", 0)), int(request.get("sc-win32-status", 0))
    refused = status == UNAUTHORIZED and code not in ON_THE_WAY
    name = WIN32.get(code, f"UNKNOWN (0x{code:08X})")
    return {
        "request": f"{request.get('cs-method', '')} {request.get('cs-uri-stem', '')}", "status": status,
        "error": OF_KERBEROS.get(name, name) if refused else "",
        "native": f"401.{request.get('sc-substatus', 0)}, sc-win32-status {code}" if refused else "",
    }


def _account(name: str) -> str:
    return name.partition("@")[0]


def _of_a_scenario(event: Mapping[str, Any]) -> bool:
    """Whether an event says something of a scenario: what the lab's own sign-ins leave behind does not."""
    if event["log"] != "Security":
        return True
    data = event["data"]
    who = {_account(data.get(name, "")).lower() for name in ("TargetUserName", "SubjectUserName")}
    return LAB_ITSELF not in who and data.get("LogonType", "3") in BY_NETWORK


def _event(event: Mapping[str, Any]) -> Record:
    words = EVENTS.get(event["id"], _named) if event["log"] == "Security" else _of_system
    return {"log": f"{event['log']} event {event['id']}", "text": words(event["data"], event), "time": event["time"],
            "data": event}


def _said(data: Data, *names: str) -> str:
    """The values of these fields with their names, those that say something."""
    return ", ".join(f"{name} {data[name]}" for name in names if data.get(name, "-") not in {"", "-"})


def _named(data: Data, _: Mapping[str, Any]) -> str:
    return _said(data, *data)


def _result(data: Data) -> str:
    """What a KDC answered: the error by name and number, or how the ticket is encrypted."""
    status = int(data.get("Status") or "0", 16)
    if status:
        return labelled(name_of(status))
    number = int(data.get("TicketEncryptionType") or "0", 16)
    return f"issued, {ENCRYPTIONS.get(str(number), f'encryption type {number}')}"


def _kdc(asked: str) -> Callable[[Data, Mapping[str, Any]], str]:
    """Words for a request to the KDC, with what else a person looks at then."""
    def words(data: Data, _: Mapping[str, Any]) -> str:
        request = asked.format(_account(data.get("TargetUserName", "")), data.get("ServiceName", ""))
        more = _said(data, "IpAddress", "TicketOptions", "TransmittedServices", "PreAuthType")
        return f"{request}: {_result(data)}" + (f" ({more})" if more else "")

    return words


def _status(value: str) -> str:
    number = int(value or "0", 16)
    return NTSTATUS.get(number, f"0x{number:08X}")


def _who(data: Data) -> str:
    return "\\".join(each for each in (data.get("TargetDomainName", ""), data.get("TargetUserName", "")) if each)


def _how(data: Data) -> str:
    """How somebody proved who he is; an NTLM that Negotiate came to has its own name beside it."""
    package, ntlm = data.get("AuthenticationPackageName", ""), data.get("LmPackageName", "-")
    return f"by {package}" + (f" {ntlm}" if ntlm != "-" else "")


def _logon(data: Data, _: Mapping[str, Any]) -> str:
    level = LEVELS.get(data.get("ImpersonationLevel", ""), data.get("ImpersonationLevel", ""))
    more = _said(data, "LogonType", "IpAddress", "TransmittedServices")
    return f"{_who(data)} signed in {_how(data)}, {level} ({more})"


def _no_logon(data: Data, _: Mapping[str, Any]) -> str:
    why = _status(data.get("SubStatus", "")) if int(data.get("SubStatus") or "0", 16) else _status(data["Status"])
    return f"{_who(data)} could not sign in {_how(data)}: {why} ({_said(data, 'LogonType', 'IpAddress', 'Status')})"


def _ntlm(data: Data, _: Mapping[str, Any]) -> str:
    why = _status(data["Status"]) if int(data.get("Status") or "0", 16) else "right"
    return f"NTLM of {data.get('TargetUserName', '')}: {why} ({_said(data, 'Workstation', 'PackageName')})"


EVENTS: Mapping[int, Callable[[Data, Mapping[str, Any]], str]] = {
    4768: _kdc("{} asks for a TGT"), 4769: _kdc("{} asks for a ticket to {}"),
    4770: _kdc("{} renews a ticket to {}"), 4771: _kdc("{} fails to preauthenticate"),
    4624: _logon, 4625: _no_logon, 4776: _ntlm,
}
"""Events of the Security log and their words; others are told by the names of their data."""


def _of_system(data: Data, event: Mapping[str, Any]) -> str:
    """An event of Kerberos's or the KDC's own: the error of event 3 by name, others in Windows' words."""
    if event["id"] == KERBEROS_ERROR and data.get("ErrorCode"):
        target = data.get("TargetName") or data.get("ServerName", "")
        more = _said(data, "ExtendedError", "ClientName", "ErrorText")
        return f"{labelled(name_of(int(data['ErrorCode'], 16)))} for {target}" + (f" ({more})" if more else "")
    return " ".join(event.get("message", "").split()) or _named(data, event)


def _request(line: Mapping[str, Any]) -> Record:
    code = int(line.get("sc-win32-status", 0))
    numbers = " ".join(str(line.get(name, "")) for name in ("sc-status", "sc-substatus", "sc-win32-status"))
    text = f"{line.get('cs-method', '')} {line.get('cs-uri-stem', '')} of {line.get('cs-username', '-')}: {numbers}"
    return {"log": "IIS", "text": text + (f" ({WIN32.get(code, f'0x{code:08X}')})" if code else ""),
            "time": f"{line['date']}T{line['time']}Z", "data": line}


def _trace(trace: Mapping[str, Any]) -> Record:
    said = "; ".join(trace["said"]) or trace.get("failureReason", "")
    text = f"{trace['statusCode']} for {trace['url']} in pool {trace['appPoolId']}: {said}"
    return {"log": "failed request trace", "text": text, "time": trace["time"], "data": trace}


def _tickets(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each ticket that klist showed, by the names it uses, with the logon that holds it."""
    logon, ticket = "", dict[str, str]()
    for line in lines:
        begins = re.match(r"#\d+>", line)
        targeted = re.match(r"Targeted LogonId is (\S+)", line)
        if (begins or targeted) and ticket:
            yield logon, ticket
            ticket = {}
        if targeted:
            logon = targeted[1]
        field = re.match(r"(?:#\d+>)?\s+(Ticket Flags(?= )|[^:]+(?=:)):?\s+(\S.*?)\s*$", line)
        if field and (begins or ticket):
            ticket[field[1]] = field[2]
    if ticket:
        yield logon, ticket


def _ticket(logon: str, ticket: Mapping[str, str]) -> Record:
    def words(name: str) -> str:
        return ticket.get(name, "").rpartition("-> ")[2]

    cached = words("Cache Flags") if "->" in ticket.get("Cache Flags", "") else ""
    text = (f"{_first(ticket, 'Client')} has {_first(ticket, 'Server')}: {words('Ticket Flags')}; "
            f"{words('KerbTicket Encryption Type')}") + (f"; {cached}" if cached else "")
    return {"log": f"klist of logon {logon}", "text": text, "data": dict(ticket)}


def _first(ticket: Mapping[str, str], name: str) -> str:
    return ticket.get(name, "").partition(" @ ")[0]


def _connection(row: Mapping[str, Any]) -> Record:
    if "failed" in row:
        return {"log": "sys.dm_exec_connections", "text": f"not told: {row['failed']}", "data": row}
    text = (f"session {row['session_id']}: {row['login_name']} by {row['auth_scheme']} over {row['net_transport']} "
            f"from {row['client_net_address']} ({row.get('host_name', '')}, {row.get('program_name', '')})")
    return {"log": "sys.dm_exec_connections", "text": text, "time": str(row["connect_time"]), "data": row}
