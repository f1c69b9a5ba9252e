"""What the machines logged, as their evidence tells it."""

import json

import pytest

from tests.windows.conftest import KLIST, WORLD

SINCE = "2026-11-23T12:00:00Z"
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


def _event(log, number, provider, time, **data):
    inner = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in data.items())
    return {"log": log, "id": number, "provider": provider, "time": time,
            "xml": f"<Event xmlns='{NAMESPACE}'><EventData>{inner}</EventData></Event>"}


EVENTS = [
    _event("Security", 4769, "Microsoft-Windows-Security-Auditing", "2026-11-23T12:00:05Z", TargetUserName="lab-alice",
           ServiceName="lab-pool", Status="0xd"),
    _event("Security", 4769, "Microsoft-Windows-Security-Auditing", "2026-11-23T11:00:00Z", Status="0x0"),
    _event("Security", 4771, "Microsoft-Windows-Security-Auditing", "2026-11-23T12:00:06Z", Status="0x18"),
    _event("Security", 1102, "Microsoft-Windows-Eventlog", "2026-11-23T12:00:07Z"),
    {**_event("System", 27, "Microsoft-Windows-Kerberos-Key-Distribution-Center", "2026-11-23T12:00:08Z", Name="x"),
     "message": "While processing a TGS request ..."},
]
LOG = """#Software: Microsoft Internet Information Services 10.0
#Fields: date time s-ip cs-method cs-uri-stem cs-username sc-status sc-substatus sc-win32-status
2026-11-23 11:59:59 10.93.0.21 GET /old - 200 0 0
2026-11-23 12:00:00 10.93.0.21 GET /first - 200 0 0
2026-11-23 12:00:05 10.93.0.21 GET /whoami - 401 2 5
2026-11-23 12:00:05 10.93.0.21 GET /whoami - 401 1 2148074254
"""
TRACE = f"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type='text/xsl' href='freb.xsl'?>
<failedRequest url="http://portal/whoami" siteId="2" appPoolId="Portal" processId="1" verb="GET" userName=""
 authenticationType="NOT_AVAILABLE" statusCode="401.1" triggerStatusCode="401.1" failureReason="STATUS_CODE"
 xmlns:freb="http://schemas.microsoft.com/win/2006/06/iis/freb">
<Event xmlns="{NAMESPACE}"><EventData><Data Name="ModuleName">RequestMonitorModule</Data></EventData></Event>
<Event xmlns="{NAMESPACE}"><EventData><Data Name="ModuleName">WindowsAuthenticationModule</Data>
<Data Name="HttpStatus">401</Data><Data Name="HttpSubStatus">1</Data><Data Name="ErrorCode">2148074252</Data>
<Data Name="Other">x</Data></EventData>
<RenderingInfo Culture="en-US"><Opcode>MODULE_SET_RESPONSE_ERROR_STATUS</Opcode>
<freb:Description Data="Notification">AUTHENTICATE_REQUEST</freb:Description>
<freb:Description Data="ErrorCode">The logon attempt failed
 (0x8009030c)</freb:Description></RenderingInfo></Event>
</failedRequest>
"""
TRACES = r"C:\inetpub\logs\FailedReqLogFiles\W3SVC2"


@pytest.fixture
def evidence(on_machines):
    def evidence(role, **world):
        job = {"name": "it", "script": "collect-evidence", "document": {"role": role, "since": SINCE},
               "world": {**WORLD, "events": EVENTS, "files": {
                   r"C:\inetpub\logs\LogFiles\W3SVC2\u_ex261123.log": LOG,
                   rf"{TRACES}\fr000001.xml": TRACE.replace("whoami", "old"), rf"{TRACES}\fr000002.xml": TRACE}}}
        written = {rf"{TRACES}\fr000001.xml": "2026-11-23T11:59:59Z", rf"{TRACES}\fr000002.xml": "2026-11-23T12:00:05Z"}
        job["change"] = {"world": {"written": written, **world}}
        ran = on_machines(job)["it"]
        assert "error" not in ran, ran
        assert ran["steps"] == 0
        return ran["answer"]

    return evidence


def test_a_domain_controllers_evidence_is_its_own_events_since_then(evidence):
    told = evidence("domain-controller", domain=True, klist=KLIST.splitlines())
    assert [(each["log"], each["id"], each["time"]) for each in told["events"]] == [
        ("Security", 4769, "2026-11-23T12:00:05.000Z"), ("Security", 4771, "2026-11-23T12:00:06.000Z"),
        ("System", 27, "2026-11-23T12:00:08.000Z")]
    assert told["events"][0]["data"] == {"TargetUserName": "lab-alice", "ServiceName": "lab-pool", "Status": "0xd"}
    assert [each["message"] for each in told["events"]] == ["", "", "While processing a TGS request ..."]
    assert (told["requests"], told["traces"], told["connections"]) == ([], [], [])
    assert any("krbtgt/DOUBLEHOP.TEST" in each for each in told["tickets"])


def test_a_front_ends_evidence_has_substatus_and_traces(evidence):
    told = evidence("front-end", domain=True, klist=[])
    assert [(each["cs-uri-stem"], each["sc-status"], each["sc-substatus"], each["sc-win32-status"])
            for each in told["requests"]] == [
                ("/first", "200", "0", "0"), ("/whoami", "401", "2", "5"), ("/whoami", "401", "1", "2148074254")]
    (trace,) = told["traces"]
    assert (trace["url"], trace["statusCode"], trace["appPoolId"]) == ("http://portal/whoami", "401.1", "Portal")
    assert trace["time"] == "2026-11-23T12:00:05.000Z"
    assert trace["said"] == ["ModuleName=WindowsAuthenticationModule, HttpStatus=401, HttpSubStatus=1, "
                             "ErrorCode=2148074252, ErrorDescription=The logon attempt failed (0x8009030c)"]


SESSIONS = r"""
Current LogonId is 0:0x9d83b
[0] Session 0 0:0x9d83b DOUBLEHOP\Administrator Kerberos:Network
[1] Session 0 0x1:0x3ab99 DOUBLEHOP\lab-pool Kerberos:Batch
[2] Session 0 0:0x3e5 NT AUTHORITY\LOCAL SERVICE Negotiate:Service
[3] Session 0 0:0xb23d Font Driver Host\UMFD-0 Negotiate:Interactive
[4] Session 0 0:0x3e4 DOUBLEHOP\WEB1$ Negotiate:Service
[5] Session 0 0:0x3e7 DOUBLEHOP\WEB1$ Negotiate:(0)
"""


def test_a_front_ends_evidence_has_the_tickets_of_every_logon_that_serves(evidence):
    """A pool with an account has a logon of its own, and there are the tickets that it got in others' names."""
    told = evidence("front-end", domain=True, sessions=SESSIONS.splitlines(), klist={"0x3ab99": KLIST.splitlines()})
    logons = [each.rpartition(":")[2] for each in told["tickets"] if each.startswith("Targeted LogonId is")]
    assert logons == ["0x3e7", "0x3e4", "0x3ab99", "0x3e5"]
    assert sum("HTTP/localhost" in each for each in told["tickets"]) == 1


def test_a_back_ends_evidence_has_its_connections_since_then(evidence):
    alice = {"session_id": 51, "login_name": r"DOUBLEHOP\lab-alice", "auth_scheme": "KERBEROS",
             "connect_time": "2026-11-23T12:00:05.123Z"}
    old = {**alice, "connect_time": "2026-11-23T11:59:59.9Z"}
    told = evidence("back-end", domain=True, klist=[], connections=[json.dumps(old), json.dumps(alice), ""])
    assert told["connections"] == [alice]


def test_a_database_that_does_not_answer_says_so_in_the_evidence(evidence):
    told = evidence("back-end", domain=True, klist=[], refuses="Login timeout expired.")
    assert told["connections"] == [{"failed": "sqlcmd.exe ended with 1: Login timeout expired."}]
