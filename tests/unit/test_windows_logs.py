"""What Windows machines logged, in words: events with the fields that Microsoft publishes, IIS's lines, klist's."""

from typing import Any

import pytest

from doublehop.providers.windows_logs import told

NOTHING: dict[str, Any] = {"events": [], "requests": [], "traces": [], "tickets": [], "connections": []}
AT = "2026-11-23T17:00:00.000Z"
SECURITY, SYSTEM = "Microsoft-Windows-Security-Auditing", "Microsoft-Windows-Security-Kerberos"
ASKED = {"TargetUserName": "lab-pool@DOUBLEHOP.TEST", "TargetDomainName": "DOUBLEHOP.TEST", "ServiceName": "sqlserver",
         "ServiceSid": "S-1-5-21-1-2-3-1105", "TicketOptions": "0x40830000", "TicketEncryptionType": "0xffffffff",
         "IpAddress": "::ffff:10.93.0.21", "IpPort": "49712", "Status": "0xd", "TransmittedServices": "-",
         "LogonGuid": "{00000000-0000-0000-0000-000000000000}"}
ISSUED = {**ASKED, "Status": "0x0", "TicketEncryptionType": "0x12", "TransmittedServices": "lab-pool@DOUBLEHOP.TEST"}
FAILED = {"TargetUserName": "lab-alice", "TargetSid": "S-1-5-21-1-2-3-1104", "ServiceName": "krbtgt/DOUBLEHOP.TEST",
          "TicketOptions": "0x40810010", "Status": "0x18", "PreAuthType": "2", "IpAddress": "::ffff:10.93.0.41",
          "IpPort": "0"}
LOGON = {"SubjectUserName": "-", "TargetUserName": "lab-alice", "TargetDomainName": "DOUBLEHOP", "LogonType": "3",
         "AuthenticationPackageName": "Kerberos", "LmPackageName": "-", "TransmittedServices": "-",
         "IpAddress": "10.93.0.41", "ImpersonationLevel": "%%1840"}
ANONYMOUS = {**LOGON, "TargetUserName": "ANONYMOUS LOGON", "TargetDomainName": "NT AUTHORITY",
             "AuthenticationPackageName": "NTLM", "LmPackageName": "NTLM V1", "IpAddress": "10.93.0.21",
             "ImpersonationLevel": "%%1833"}
REFUSED = {**LOGON, "Status": "0xc000006d", "SubStatus": "0xc000006a", "AuthenticationPackageName": "NTLM"}
ERROR = {"LogonSession": "", "ClientTime": "", "ServerTime": "17:0:0.0000 11/23/2026 Z", "ErrorCode": "0x7",
         "ErrorMessage": "KDC_ERR_S_PRINCIPAL_UNKNOWN", "ExtendedError": "0xc0000035 KLIN(0)", "ClientRealm": "",
         "ClientName": "", "ServerRealm": "DOUBLEHOP.TEST", "ServerName": "HTTP/portal.doublehop.test",
         "TargetName": "HTTP/portal.doublehop.test@DOUBLEHOP.TEST", "ErrorText": "", "File": "9", "Line": "12be"}
NO_KEY = ("While processing a TGS request for the target server HTTP/portal,\r\n the account lab-pool did not have a "
          "suitable key for generating a Kerberos ticket")

EVENTS = {
    "a refused ticket": ("Security", 4769, ASKED, "lab-pool asks for a ticket to sqlserver: KDC_ERR_BADOPTION (0xD) "
                         "(IpAddress ::ffff:10.93.0.21, TicketOptions 0x40830000)"),
    "an issued one": ("Security", 4769, ISSUED, "lab-pool asks for a ticket to sqlserver: issued, AES256 (IpAddress "
                      "::ffff:10.93.0.21, TicketOptions 0x40830000, TransmittedServices lab-pool@DOUBLEHOP.TEST)"),
    "a TGT": ("Security", 4768, {**FAILED, "Status": "0x0", "TicketEncryptionType": "0x11"},
              "lab-alice asks for a TGT: issued, AES128 (IpAddress ::ffff:10.93.0.41, TicketOptions 0x40810010, "
              "PreAuthType 2)"),
    "a wrong password": ("Security", 4771, FAILED, "lab-alice fails to preauthenticate: KDC_ERR_PREAUTH_FAILED (0x18) "
                         "(IpAddress ::ffff:10.93.0.41, TicketOptions 0x40810010, PreAuthType 2)"),
    "a delegated logon": ("Security", 4624, LOGON, "DOUBLEHOP\\lab-alice signed in by Kerberos, Delegation (LogonType "
                          "3, IpAddress 10.93.0.41)"),
    "nobody's": ("Security", 4624, ANONYMOUS, "NT AUTHORITY\\ANONYMOUS LOGON signed in by NTLM NTLM V1, Impersonation "
                 "(LogonType 3, IpAddress 10.93.0.21)"),
    "a refused logon": ("Security", 4625, REFUSED, "DOUBLEHOP\\lab-alice could not sign in by NTLM: "
                        "STATUS_WRONG_PASSWORD (LogonType 3, IpAddress 10.93.0.41, Status 0xc000006d)"),
    "without a substatus": ("Security", 4625, {**REFUSED, "SubStatus": "0x0", "Status": "0xc0009999"},
                            "DOUBLEHOP\\lab-alice could not sign in by NTLM: 0xC0009999 (LogonType 3, IpAddress "
                            "10.93.0.41, Status 0xc0009999)"),
    "a checked NTLM": ("Security", 4776, {"PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0",
                                          "TargetUserName": "lab-alice", "Workstation": "CLIENT1",
                                          "Status": "0xc0000064"},
                       "NTLM of lab-alice: STATUS_NO_SUCH_USER (Workstation CLIENT1, PackageName "
                       "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0)"),
    "one without words of ours": ("Security", 4648, {"SubjectUserName": "WEB1$", "TargetUserName": "lab-app",
                                                     "TargetServerName": "localhost", "ProcessName": "-"},
                                  "SubjectUserName WEB1$, TargetUserName lab-app, TargetServerName localhost"),
    "a client's error": ("System", 3, ERROR, "KDC_ERR_S_PRINCIPAL_UNKNOWN (0x7) for "
                         "HTTP/portal.doublehop.test@DOUBLEHOP.TEST (ExtendedError 0xc0000035 KLIN(0))"),
    "the KDC's own": ("System", 27, {"0": "HTTP/portal"}, "While processing a TGS request for the target server "
                      "HTTP/portal, the account lab-pool did not have a suitable key for generating a Kerberos ticket"),
}


def event(log, number, data, message=""):
    return {"log": log, "id": number, "provider": SECURITY if log == "Security" else SYSTEM, "time": AT, "data": data,
            "message": message}


@pytest.mark.parametrize(("log", "number", "data", "words"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_told_in_words(log, number, data, words):
    record = event(log, number, data, NO_KEY if number == 27 else "")
    assert told({**NOTHING, "events": [record]}) == [
        {"log": f"{log} event {number}", "text": words, "time": AT, "data": record}]


def test_an_event_without_a_sentence_is_told_by_its_data():
    (record,) = told({**NOTHING, "events": [event("System", 4, {"Server": "web1$", "Targetname": "HTTP/portal"})]})
    assert record["text"] == "Server web1$, Targetname HTTP/portal"


@pytest.mark.parametrize("data", [
    {**ASKED, "TargetUserName": "Administrator@DOUBLEHOP.TEST"}, {**LOGON, "TargetUserName": "Administrator"},
    {**LOGON, "SubjectUserName": "Administrator"}, {**LOGON, "TargetUserName": "SYSTEM", "LogonType": "5"},
], ids=["a ticket", "a logon", "a task of the lab's", "a service"])
def test_what_the_lab_and_windows_do_by_themselves_is_left_out(data):
    assert told({**NOTHING, "events": [event("Security", 4624, data)]}) == []


def test_a_line_of_iis_has_substatus_and_win32_status():
    line = {"date": "2026-11-23", "time": "17:00:00", "cs-method": "GET", "cs-uri-stem": "/whoami", "cs-username": "-",
            "sc-status": "401", "sc-substatus": "2", "sc-win32-status": "2148074254"}
    served = {**line, "cs-username": "DOUBLEHOP\\lab-alice", "sc-status": "200", "sc-substatus": "0",
              "sc-win32-status": "0"}
    unknown = {**line, "sc-win32-status": "2148074393"}
    records = told({**NOTHING, "requests": [line, served, unknown]})
    assert [each["text"] for each in records] == [
        "GET /whoami of -: 401 2 2148074254 (SEC_E_NO_CREDENTIALS)", "GET /whoami of DOUBLEHOP\\lab-alice: 200 0 0",
        "GET /whoami of -: 401 2 2148074393 (0x80090399)"]
    assert records[0] == {"log": "IIS", "text": records[0]["text"], "time": "2026-11-23T17:00:00Z", "data": line}


def test_a_trace_tells_what_modules_said():
    trace = {"url": "http://portal:80/whoami", "appPoolId": "Portal", "statusCode": "401.1", "time": AT,
             "failureReason": "STATUS_CODE", "said": ["ModuleName=WindowsAuthenticationModule, ErrorCode=2148074252"]}
    assert [each["text"] for each in told({**NOTHING, "traces": [trace, {**trace, "said": []}]})] == [
        "401.1 for http://portal:80/whoami in pool Portal: ModuleName=WindowsAuthenticationModule, "
        "ErrorCode=2148074252",
        "401.1 for http://portal:80/whoami in pool Portal: STATUS_CODE"]


KLIST = r"""
Current LogonId is 0:0x9d83b
Targeted LogonId is 0:0x3e7

Cached Tickets: (2)

#0>     Client: WEB1$ @ DOUBLEHOP.TEST
        Server: krbtgt/DOUBLEHOP.TEST @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x60a10000 -> forwardable forwarded renewable pre_authent name_canonicalize
        Start Time: 11/23/2026 17:00:00 (local)
        Session Key Type: AES-256-CTS-HMAC-SHA1-96
        Cache Flags: 0x2 -> DELEGATION
        Kdc Called: dc1.doublehop.test

#1>     Client: lab-alice @ DOUBLEHOP.TEST
        Server: MSSQLSvc/sql1.doublehop.test @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: RSADSI RC4-HMAC(NT)
        Ticket Flags 0x40a10000 -> forwardable renewable pre_authent name_canonicalize
        Cache Flags: 0

Current LogonId is 0:0x9d83b
Targeted LogonId is 0:0x3e4

Cached Tickets: (0)

Current LogonId is 0:0x9d83b
Targeted LogonId is 0x1:0x3ab99

Cached Tickets: (1)

#0>     Client: lab-pool @ DOUBLEHOP.TEST
        Server: lab-pool @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x40a10000 -> forwardable
"""


def test_tickets_are_told_with_the_logon_that_holds_them():
    records = told({**NOTHING, "tickets": KLIST.splitlines()})
    assert [(each["log"], each["text"]) for each in records] == [
        ("klist of logon 0:0x3e7", "WEB1$ has krbtgt/DOUBLEHOP.TEST: forwardable forwarded renewable pre_authent "
                                   "name_canonicalize; AES-256-CTS-HMAC-SHA1-96; DELEGATION"),
        ("klist of logon 0:0x3e7", "lab-alice has MSSQLSvc/sql1.doublehop.test: forwardable renewable pre_authent "
                                   "name_canonicalize; RSADSI RC4-HMAC(NT)"),
        ("klist of logon 0x1:0x3ab99", "lab-pool has lab-pool: forwardable; AES-256-CTS-HMAC-SHA1-96")]
    assert records[0]["data"]["Kdc Called"] == "dc1.doublehop.test" and "time" not in records[0]


@pytest.mark.parametrize("tickets", [["Error calling API LsaCallAuthenticationPackage: 1312"], ["", "#0>", "x: y"]])
def test_what_is_no_ticket_is_passed_over(tickets):
    assert told({**NOTHING, "tickets": tickets}) == []


def test_a_connection_tells_who_it_is_and_how_he_proved_it():
    row = {"session_id": 51, "login_name": "DOUBLEHOP\\lab-alice", "original_login_name": "DOUBLEHOP\\lab-alice",
           "auth_scheme": "KERBEROS", "net_transport": "TCP", "encrypt_option": "TRUE", "host_name": "WEB1",
           "client_net_address": "10.93.0.21", "program_name": "Core Microsoft SqlClient Data Provider",
           "connect_time": AT}
    failed = {"failed": "sqlcmd.exe ended with 1: Login timeout expired."}
    assert told({**NOTHING, "connections": [row, failed]}) == [
        {"log": "sys.dm_exec_connections", "time": AT, "data": row,
         "text": "session 51: DOUBLEHOP\\lab-alice by KERBEROS over TCP from 10.93.0.21 (WEB1, Core Microsoft "
                 "SqlClient Data Provider)"},
        {"log": "sys.dm_exec_connections", "data": failed,
         "text": "not told: sqlcmd.exe ended with 1: Login timeout expired."}]
