"""The client's request: a task with the user's own logon, and what its probe tells."""

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doublehop.data import LAB
from doublehop.model import ClientSaw
from tests.windows.conftest import KLIST, WORLD

FOLDER = LAB / "windows"
PROFILE = {"zone": "intranet", "integrated": True, "canonicalise": False, "port_in_spn": False,
           "honour_ok_as_delegate": True, "channel_binding": True, "ntlm": True, "basic": False, "encryption_types": [],
           "delegate": True, "program": "browser", "http2": False}
SAW = {"status": 200, "spn": "HTTP/portal.s1.doublehop.test", "offers": ["Negotiate", "NTLM"]}
ALICE = {"account": r"DOUBLEHOP\lab-alice", "password": "Alice-1-secret"}
ASK = {"user": ALICE,
       "probe": {"url": "http://portal.s1.doublehop.test/whoami", "times": 1, "profile": PROFILE}}


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


UNKNOWN = ("<Event><EventData><Data Name='ErrorCode'>0x7</Data>"
           "<Data Name='ErrorMessage'>KDC_ERR_S_PRINCIPAL_UNKNOWN</Data>"
           "<Data Name='ServerName'>HTTP/localhost</Data></EventData></Event>")


@pytest.fixture
def probe(pwsh, tmp_path):
    """Run `probe.ps1` against a real server, with what Windows's klist and log would say."""

    def probe(url, klist="", event="", **more):
        (tmp_path / "klist").write_text(klist)
        (tmp_path / "event").write_text(event)
        given = json.dumps({"url": url, "times": 1, "profile": PROFILE, **more})
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
    told: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in saw.items()}
    assert saw.keys() == {each.name for each in dataclasses.fields(ClientSaw)}
    assert ClientSaw(**told) == ClientSaw(status=200, http="1.1", body='{"user": ""}')


def test_the_probe_tells_offers_ticket_and_delegation(probe, server):
    done, saw = probe(f"{server}/closed", klist=KLIST)
    assert done.returncode == 0, done.stderr
    assert (saw["status"], saw["offers"]) == (401, ["Negotiate", "NTLM"])
    assert (saw["spn"], saw["delegated"], saw["session_key"]) == ("HTTP/localhost", True, "AES128")
    assert saw["ticket_flags"] == ["forwardable", "ok_as_delegate"]


@pytest.mark.parametrize("named", [True, False])
def test_the_probe_asks_for_the_port_where_its_policy_says_so(probe, server, named):
    spn = "HTTP/localhost" + (f":{server.rpartition(':')[2]}" if named else "")
    _, saw = probe(f"{server}/closed", klist=KLIST.replace("HTTP/localhost", spn),
                   profile={**PROFILE, "port_in_spn": named})
    assert saw["spn"] == spn


def test_a_request_without_a_token_is_no_further_handshake(probe, server):
    _, saw = probe(f"{server}/closed", times=3)
    assert saw["handshakes"] == 1


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


@pytest.mark.parametrize(("change", "said"), [
    ({"program": "curl"}, "cannot do what 'program'"), ({"basic": True}, "cannot do what 'basic'"),
    ({"http2": True}, "cannot do what 'http2'"), ({"honour_ok_as_delegate": False}, "always honours ok-as-delegate"),
    ({"channel_binding": False}, "always sends channel bindings"), ({"ntlm": False}, "goes on with NTLM"),
    ({"encryption_types": ["AES256"]}, "policy of the whole machine"),
])
def test_the_probe_refuses_what_windows_cannot_do(probe, server, change, said):
    done, _ = probe(f"{server}/open", profile={**PROFILE, **change})
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
