"""What runs while a lab is up: certificates, logins, the client's request, and the evidence afterwards."""

import base64
import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doublehop import dotnet
from doublehop.data import LAB
from doublehop.errors import HostError
from doublehop.run import CommandResult
from tests.windows.conftest import certificates, golden

FOLDER = LAB / "windows"
PROFILE = {"zone": "intranet", "integrated": True, "canonicalise": False, "port_in_spn": False,
           "honour_ok_as_delegate": True, "channel_binding": True, "ntlm": True, "basic": False, "encryption_types": [],
           "delegate": True, "program": "browser"}
WORLD = {"role": 2, "address": "10.93.0.21", "files": {}, "events": []}


# --- certificates ---------------------------------------------------------------------------------


def test_a_request_names_what_it_is_for_and_its_key_stays(on_machines):
    asked = {"request": {"host": "web1", "names": ["portal.s1.doublehop.test", "www.s1.doublehop.test"]}}
    other = {"request": {"host": "web1", "names": ["portal.s1.doublehop.test"]}}
    ran = on_machines({"name": "it", "script": "certificate", "world": WORLD, "document": asked, "again": True,
                       "loop": True},
                      {"name": "other", "script": "certificate", "from": "it", "document": other})
    files = ran["it"]["state"]["files"]
    golden("request.inf", files[r"C:\doublehop\certificates\request.inf"].replace("\r\n", "\n"))
    assert ran["it"]["answer"]["request"].startswith("-----BEGIN NEW CERTIFICATE REQUEST-----")
    assert ran["it"]["again"] == {"steps": 0, "error": None, "same": True}
    assert not ran["it"]["loop"]["failed"]
    assert ran["other"]["steps"] > 0


def test_a_certificate_is_taken_once_and_its_authority_trusted(on_machines):
    ran = on_machines(
        {"name": "it", "script": "certificate", "world": WORLD, "again": True, "loop": True,
         "document": {"take": {"certificate": certificates("web1")["machine"],
                               "authority": certificates("web1")["authority"]}}},
        {"name": "client", "script": "certificate", "world": WORLD, "again": True,
         "document": {"trust": {"authority": certificates("web1")["authority"]}}})
    (thumbprint,) = ran["it"]["state"]["certificates"]["My"]
    assert ran["it"]["answer"]["thumbprint"] == thumbprint
    assert ran["it"]["again"]["steps"] == 0
    assert not ran["it"]["loop"]["failed"]
    assert ran["client"]["state"]["certificates"]["Root"] and not ran["client"]["state"]["certificates"]["My"]
    assert ran["client"]["again"]["steps"] == 0


# --- the database ---------------------------------------------------------------------------------


def test_logins_are_added_and_removed(on_machines):
    both = {"add": [r"DOUBLEHOP\lab-alice", r"DOUBLEHOP\WEB1$"], "remove": [r"DOUBLEHOP\lab-bob"]}
    ran = on_machines({
        "name": "it", "script": "set-logins", "world": WORLD, "document": both, "again": True, "loop": True,
        "change": {"sql": {"account": "x", "logins": [r"DOUBLEHOP\lab-bob", r"NT SERVICE\MSSQLSERVER"]}}})["it"]
    assert ran["state"]["sql"]["logins"] == [r"DOUBLEHOP\lab-alice", r"DOUBLEHOP\WEB1$", r"NT SERVICE\MSSQLSERVER"]
    assert ran["again"]["steps"] == 0
    assert ran["loop"] == {"steps": 3, "failed": []}


@pytest.mark.parametrize("name", ["alice", r"D\x]; DROP LOGIN sa;--", r"D\x' OR 1=1"])
def test_a_login_can_only_look_like_an_account(on_machines, name):
    ran = on_machines({"name": "it", "script": "set-logins", "world": WORLD, "document": {"add": [name]}})["it"]
    assert ran["error"].startswith(r"expected DOMAIN\name")
    assert ran["steps"] == 0


PARSER = """
using Microsoft.SqlServer.TransactSql.ScriptDom;
foreach (string file in args)
{
    new TSql160Parser(true).Parse(new StreamReader(file), out IList<ParseError> errors);
    foreach (ParseError each in errors) Console.WriteLine($"{file}:{each.Line}:{each.Column}: {each.Message}");
}
"""
PROJECT = """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType>
<TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings></PropertyGroup><ItemGroup>
<PackageReference Include="Microsoft.SqlServer.TransactSql.ScriptDom" Version="180.140.0" /></ItemGroup></Project>
"""


def questions():
    """What the pages ask SQL Server: a text of C#, which may be put together of several."""
    for page in ("framework/App_Code", "core"):
        source = (LAB / "aspnet" / page / "BackEnds.cs").read_text()
        (found,) = re.findall(r'("select original_login\(\)[^;]*?")[;,]', source, re.IGNORECASE)
        yield page, "".join(re.findall(r'"([^"]*)"', found))


def test_microsofts_parser_reads_the_t_sql(tmp_path, not_run):
    """Microsoft's own parser of SQL Server 2022; one file is wrong on purpose, and is the only one that it names."""
    program = shutil.which("dotnet") or not_run("dotnet missing")
    (tmp_path / "Program.cs").write_text(PARSER)
    (tmp_path / "parse.csproj").write_text(PROJECT)
    wrong = tmp_path / "wrong.sql"
    wrong.write_text("SELECT name FORM sys.server_principals WHERE;\n")
    files = sorted(FOLDER.glob("*.sql"))
    assert len(files) == 3
    for page, question in questions():
        files.append(tmp_path / f"{page.partition('/')[0]}.sql")
        files[-1].write_text(question)
    build = [program, "build", "--nologo", "-nodeReuse:false", "-property:UseSharedCompilation=false", "--output"]
    built = subprocess.run([*build, tmp_path / "app"], cwd=tmp_path, capture_output=True, text=True, timeout=180,
                           check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    done = subprocess.run([program, tmp_path / "app" / "parse.dll", *files, wrong], capture_output=True, text=True,
                          timeout=60, check=True)
    told = done.stdout.splitlines()
    assert told
    assert all(each.startswith(str(wrong)) for each in told), done.stdout


# --- the client -----------------------------------------------------------------------------------

SAW = {"status": 200, "spn": "HTTP/portal.s1.doublehop.test", "offers": ["Negotiate", "NTLM"]}
ALICE = {"account": r"DOUBLEHOP\lab-alice", "password": "Alice-1-secret"}
ASK = {"user": ALICE,
       "probe": {"url": "http://portal.s1.doublehop.test/whoami", "times": 1, "profile": PROFILE, "http2": False}}


def _client(answer, **more):
    return {"name": "it", "script": "ask-as", "world": WORLD, "document": ASK,
            "change": {"world": {"domain": True, "answer": json.dumps(answer)}}, **more}


def test_a_request_is_made_by_a_task_of_the_users_and_leaves_nothing(on_machines):
    ran = on_machines(_client(SAW))["it"]
    assert ran["answer"] == SAW
    assert json.loads(ran["state"]["world"]["asked"]) == ASK["probe"]
    for key in ("files", "tasks", "acl"):
        assert ran["state"][key] == ran["before"][key], key
    register = next(each for each in ran["log"] if each["command"] == "Register-ScheduledTask")["arguments"]
    assert (register["User"], register["Password"]) == (ALICE["account"], ALICE["password"])
    told = [each for each in ran["log"] if each["command"] != "Register-ScheduledTask"]
    assert "secret" not in json.dumps([told, ran["answer"], ran["state"]["files"]])


def test_a_request_that_failed_says_why_and_leaves_nothing(on_machines):
    ran = on_machines(_client({"failed": "Windows always honours ok-as-delegate At probe.ps1:1"}))["it"]
    assert "the request of DOUBLEHOP\\lab-alice: Windows always honours ok-as-delegate" in ran["error"]
    assert not ran["state"]["tasks"] and not ran["state"]["acl"]
    assert ran["state"]["files"] == ran["before"]["files"]


class _Page(BaseHTTPRequestHandler):
    """Serves a page to anybody, or offers what IIS would."""

    def do_GET(self):
        status = 401 if self.path == "/closed" else 200
        body = b'{"user": ""}'
        self.send_response(status)
        for each in ("Negotiate", "NTLM") if status == 401 else ():
            self.send_header("WWW-Authenticate", each)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://localhost:{serving.server_port}"
        serving.shutdown()


KLIST = """
Current LogonId is 0:0x3e4c5

Cached Tickets: (2)

#0>     Client: lab-alice @ DOUBLEHOP.TEST
        Server: krbtgt/DOUBLEHOP.TEST @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x60a10000 -> forwardable forwarded renewable pre_authent name_canonicalize
        Session Key Type: AES-256-CTS-HMAC-SHA1-96
        Cache Flags: 0x2 -> DELEGATION
        Kdc Called: dc1.doublehop.test

#1>     Client: lab-alice @ DOUBLEHOP.TEST
        Server: HTTP/localhost @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x40a50000 -> forwardable renewable pre_authent ok_as_delegate name_canonicalize
        Session Key Type: AES-128-CTS-HMAC-SHA1-96
        Cache Flags: 0
        Kdc Called: dc1.doublehop.test
"""
UNKNOWN = ("<Event><EventData><Data Name='ErrorCode'>0x7</Data>"
           "<Data Name='ErrorMessage'>KDC_ERR_S_PRINCIPAL_UNKNOWN</Data>"
           "<Data Name='ServerName'>HTTP/localhost</Data></EventData></Event>")


@pytest.fixture
def probe(pwsh, tmp_path):
    """Run `probe.ps1` against a real server, with what Windows's klist and log would say."""

    def probe(url, klist="", event="", **more):
        (tmp_path / "klist").write_text(klist)
        (tmp_path / "event").write_text(event)
        given = json.dumps({"url": url, "times": 1, "http2": False, "profile": PROFILE, **more})
        (tmp_path / "given").write_text(given)
        text = f"""
function klist.exe {{ $global:LASTEXITCODE = 0; [IO.File]::ReadAllLines('{tmp_path}/klist') }}
function Get-WinEvent {{ [CmdletBinding()] param([hashtable]$FilterHashtable)
    $text = [IO.File]::ReadAllText('{tmp_path}/event')
    $xml = {{ $text }}.GetNewClosure()
    if ($text) {{ [pscustomobject]@{{}} | Add-Member -MemberType ScriptMethod -Name ToXml -Value $xml -PassThru }} }}
& '{FOLDER}/probe.ps1' -Document (ConvertFrom-Json ([IO.File]::ReadAllText('{tmp_path}/given')))
"""
        done = pwsh("-Command", text)
        return done, json.loads(done.stdout) if done.returncode == 0 else None

    return probe


def test_the_probe_has_the_fields_of_the_reference_clients_answer(probe, server):
    done, saw = probe(f"{server}/open")
    assert done.returncode == 0, done.stderr
    assert saw == {
        "spn": "", "error": "", "status": 200, "offers": [], "delegated": False, "handshakes": 0, "mutual": False,
        "http": "1.1", "body": '{"user": ""}', "token": "", "token_size": 0, "session_key": "", "ticket_flags": [],
        "unasked": "",
    }


def test_the_probe_tells_offers_ticket_and_delegation(probe, server):
    done, saw = probe(f"{server}/closed", klist=KLIST)
    assert done.returncode == 0, done.stderr
    assert (saw["status"], saw["offers"]) == (401, ["Negotiate", "NTLM"])
    assert (saw["spn"], saw["delegated"], saw["session_key"]) == ("HTTP/localhost", True, "AES128")
    assert saw["ticket_flags"] == ["forwardable", "ok_as_delegate"]


def test_the_probe_tells_why_there_was_no_ticket(probe, server):
    _, saw = probe(f"{server}/closed", event=UNKNOWN)
    assert (saw["spn"], saw["error"]) == ("HTTP/localhost", "KDC_ERR_S_PRINCIPAL_UNKNOWN")


def test_the_probe_sends_nothing_to_the_internet_zone(probe, server):
    _, saw = probe(f"{server}/closed", klist=KLIST, profile={**PROFILE, "zone": "internet"})
    assert (saw["status"], saw["spn"], saw["handshakes"]) == (401, "", 0)


def test_the_probe_tells_a_name_that_nobody_knows(probe):
    done, saw = probe("http://nowhere.invalid/")
    assert done.returncode == 0, done.stderr
    assert saw["unasked"] == "NAME_NOT_RESOLVED"


@pytest.mark.parametrize("change", [{"program": "curl"}, {"basic": True}, {"honour_ok_as_delegate": False},
                                    {"channel_binding": False}, {"encryption_types": ["AES256"]}])
def test_the_probe_refuses_what_windows_cannot_do(probe, server, change):
    done, _ = probe(f"{server}/open", profile={**PROFILE, **change})
    assert done.returncode == 1
    assert re.search("cannot do|always|policy of the whole machine", done.stderr)


# --- the evidence ---------------------------------------------------------------------------------

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
        job = {"name": "it", "script": "collect-evidence", "document": {"role": role, "since": SINCE, "sites": []},
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


# --- the page of ASP.NET Core ---------------------------------------------------------------------


class Machine:
    """As much of a Windows machine as a program can be run in: its drive C is a folder."""

    def __init__(self, pwsh, drive):
        self._pwsh, self._drive = pwsh, drive

    def run(self, *argv, stdin, timeout):
        text = base64.b64decode(argv[-1]).decode("utf-16-le").replace("C:/", f"{self._drive}/")
        done = self._pwsh("-NonInteractive", "-Command", text, stdin=stdin)
        return CommandResult(argv=argv, code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def test_the_page_of_asp_net_core_is_brought_once_and_each_build_to_a_folder_of_its_own(pwsh, tmp_path, monkeypatch):
    machine: Any = Machine(pwsh, tmp_path / "C")
    brought = tmp_path / "C" / "doublehop" / "aspnet"
    for build in ("one", "two", "one"):
        app = tmp_path / build / "app"
        (app / "runtimes" / "win").mkdir(parents=True, exist_ok=True)
        (app / "whoami.dll").write_bytes(bytes(range(256)))
        (app / "runtimes" / "win" / "of").write_text(build)
        monkeypatch.setattr(dotnet, "published", lambda project, build=build: tmp_path / build)
        dotnet.bring_to_windows(machine, "core")
        assert (brought / f"core-{build}" / "whoami.dll").read_bytes() == bytes(range(256))
        assert (brought / f"core-{build}" / "runtimes" / "win" / "of").read_text() == build
        assert (brought / "core.txt").read_text() == f"{brought}/core-{build}".replace("/", "\\")
    assert sorted(each.name for each in brought.iterdir()) == ["core-one", "core-two", "core.txt"]


def test_a_build_that_is_not_for_windows_is_not_brought_there(pwsh, tmp_path, monkeypatch):
    """Some copies of a package have but the part of the host's own system; the page would answer with an exception."""
    machine: Any = Machine(pwsh, tmp_path / "C")
    (tmp_path / "one" / "app" / "runtimes" / "unix").mkdir(parents=True)
    monkeypatch.setattr(dotnet, "published", lambda project: tmp_path / "one")
    with pytest.raises(HostError, match="core: no part of what was built is for Windows"):
        dotnet.bring_to_windows(machine, "core")
    assert not (tmp_path / "C").exists()
