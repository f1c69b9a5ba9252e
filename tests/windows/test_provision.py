"""Provisioning on model machines: from the box to what the topology says, whatever happens on the way.

The caller's part is in harness.ps1: it starts a machine anew, or has its certificate signed, when it is told to.
"""

import json
import re
import tomllib
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.windows import facts
from tests.windows.conftest import MACHINES, RELEASE, SECRETS, calls, certificates, golden
from tests.windows.facts import SIGNED, WEB

SETUP, BUNDLE = r"C:\doublehop\sql\setup.exe", r"C:\doublehop\dotnet-hosting.exe"

RESTARTS = {"dc1": 2, "web1": 3, "sql1": 2, "client1": 3}
"""For the name and the domain; then for ASP.NET Core's installer, and for Credential Guard, which Windows 11 has on."""
FOR_LDAPS = {"dc1": ["restart"]}
"""A domain controller's own last one, with its certificate."""
each_machine = pytest.mark.parametrize("name", MACHINES)


_ran: dict[str, Any] = {}


@pytest.fixture
def provisioned(on_machines, provisioning):
    """Every machine provisioned, and once more; run once for all tests here."""
    if not _ran:
        _ran.update(on_machines(*(provisioning(name, again=True) for name in MACHINES)))
    return _ran


def _shown(state):
    """A machine's state as a golden file has it: without what only the model knows."""
    return json.dumps({key: each for key, each in state.items() if key != "world"}, indent=1, sort_keys=True) + "\n"


@each_machine
def test_a_first_run_comes_to_what_the_topology_says(provisioned, machines, name):
    topology, known = machines
    ran = provisioned[name]
    assert "error" not in ran, ran
    assert [each["needs"] for each in ran["rounds"]] == [
        *["restart"] * RESTARTS[name], "certificate", *FOR_LDAPS.get(name, []), ""]
    golden(f"{name}.json", _shown(ran["state"]))
    golden(f"{name}.calls", calls(ran["log"]))

    state, own = ran["state"], known[name]
    assert state["computer"]["name"] == own["name"]
    assert (state["computer"]["member"], state["computer"]["domain"]) == (True, topology["dns"])
    lab, outside = state["adapters"]["Ethernet 2"], state["adapters"]["Ethernet"]
    assert (lab["address"], lab["registers"], outside["registers"]) == (own["address"], True, False)
    assert lab["servers"] == outside["servers"] == [known["dc1"]["address"]]
    assert state["listeners"]["HTTPS"]["Hostname"] == own["fqdn"]
    # A second run, from the beginning and without a certificate at hand, changes nothing.
    assert ran["again"] == {"steps": 0, "error": None, "same": True}


@each_machine
def test_a_run_that_was_stopped_anywhere_is_started_again_and_ends_the_same(on_machines, provisioning, name):
    """After each step that changes something, with the machine's power lost or just the program's end."""
    ran = on_machines(provisioning(name, loop=["power lost", "cut off"]))[name]
    assert "error" not in ran, ran
    assert ran["loop"]["steps"] >= 20
    assert not ran["loop"]["failed"]


@pytest.mark.parametrize("on", [True, False])
def test_credential_guard_is_on_or_off_after_a_restart(on_machines, provisioning, on):
    client1 = provisioning("client1")
    job = {"script": "credential-guard", "document": {"credential_guard": on}}
    guarded = {"computer": {"name": "client1", "next": "client1", "domain": "x", "member": True, "role": 1,
                            "guard": not on}}
    ran = on_machines({"name": "first", "world": client1["world"], "change": guarded, **job},
                      {"name": "restarted", "from": "first", "restart": True, **job})
    assert (ran["first"]["answer"]["needs"], ran["restarted"]["answer"]["needs"]) == ("restart", "")
    assert ran["restarted"]["state"]["computer"]["guard"] is on


def test_the_domain_names_each_machine_by_its_address_alone(provisioned, machines):
    topology, known = machines
    zone = provisioned["dc1"]["state"]["zones"][topology["dns"]]
    assert {(each["name"], each["data"]) for each in zone} == {
        *((name, each["address"]) for name, each in known.items()), ("@", known["dc1"]["address"])}


def test_sql_server_runs_as_the_account_that_holds_its_names(provisioned, machines):
    topology, known = machines
    ran = provisioned
    ((name, account),) = ran["dc1"]["state"]["accounts"].items()
    assert account["spns"] == known["sql1"]["spns"]
    assert account["password"] == SECRETS["sql_service"]
    assert ran["sql1"]["state"]["sql"]["account"] == f"{topology['domain']}\\{name}"


def test_the_answer_file_of_sql_servers_setup(provisioned):
    files = provisioned["sql1"]["state"]["files"]
    text = files[r"C:\doublehop\ConfigurationFile.ini"]
    golden("ConfigurationFile.ini", text.replace("\r\n", "\n"))
    assert "PASSWORD" not in text
    state = provisioned["sql1"]["state"]
    ((_, instance),) = state["registry"][r"HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL"].items()
    tcp = rf"HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\{instance['value']}\MSSQLServer\SuperSocketNetLib\Tcp"
    assert state["registry"][tcp]["Enabled"]["value"] == 1
    assert state["sql"]["administrators"] == [r"BUILTIN\Administrators", r"DOUBLEHOP\Domain Admins"]


def test_a_web_server_that_traced_less_traces_what_it_is_told_to(on_machines, provisioning, provisioned):
    """It was provisioned by an older checkout."""
    state, job = provisioned["web1"]["state"], provisioning("web1")
    files = {path: text.replace(",RequestNotifications", "") for path, text in state["files"].items()}
    assert files != state["files"]
    iis = {"script": "iis", "document": job["document"]}
    ran = on_machines({"name": "older", "world": job["world"], "change": {**state, "files": files}, **iis},
                      {"name": "again", "from": "older", **iis})
    assert ran["older"]["answer"]["changed"] == ["IIS: trace authentication, and which module set an error"]
    assert ran["older"]["state"]["files"] == state["files"]
    assert ran["again"]["answer"]["changed"] == []


CLONED = "S-1-5-21-1-2-3"
"""Every model machine has this SID, as clones of one disk have."""
MEMBERS = [each for each in MACHINES if each != "dc1"]


def cloned(job, sid=CLONED):
    """A machine of a domain that has this SID."""
    return {**job, "document": {**job["document"], "domain_sid": sid}}


def test_the_domain_controller_says_the_domains_sid(provisioned):
    told = [each["domain_sid"] for each in provisioned["dc1"]["rounds"]]
    assert (told[0], told[-1]) == ("", CLONED)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_clone_of_the_domain_controllers_disk_gets_a_sid_of_its_own(on_machines, provisioning, provisioned, name):
    """Wherever it is stopped; and in the end it is what it would have been, but for the SID."""
    ran = on_machines(cloned(provisioning(name, again=True, loop=True)))[name]
    assert "error" not in ran, ran
    assert ran["rounds"][0]["needs"] == "restart"
    assert not ran["loop"]["failed"]
    assert ran["again"]["steps"] == 0
    state, plain = ran["state"], provisioned[name]["state"]
    assert state["local"]["Administrator"]["sid"] == "S-1-5-21-4-5-6-500"
    assert {key: each for key, each in state.items() if key not in {"local", "registry"}} == {
        key: each for key, each in plain.items() if key not in {"local", "registry"}}


def test_a_machine_with_a_sid_of_its_own_is_left_as_it_is(provisioned):
    """The boxes that are taken by default are generalized."""
    for name in MEMBERS:
        assert not [each for each in provisioned[name]["log"] if "sysprep" in each["command"]]


def test_the_answer_file_has_settings_of_the_reference_alone(on_machines, provisioning):
    ran = on_machines(alone(cloned(provisioning("web1")), "generalize"))["generalize"]
    assert "error" not in ran, ran
    text = ran["state"]["files"][r"C:\doublehop\unattend.xml"]
    (password,) = set(re.findall(r"<Value>(.+)</Value>", text))
    assert password not in SECRETS.values()
    golden("unattend.xml", text.replace(password, "RANDOM") + "\n")
    known = tomllib.loads((facts.FACTS / "unattend.toml").read_text())
    for settings in ElementTree.fromstring(text):
        for component in settings:
            leaves = [path for path, each in paths(component) if len(each) == 0]
            allowed = known[component.attrib["name"]][settings.attrib["pass"]]["settings"]
            assert leaves and set(leaves) <= set(allowed)


def paths(element, above=""):
    """Every element below one, with the names that lead to it."""
    for each in element:
        path = above + each.tag.rpartition("}")[2]
        yield path, each
        yield from paths(each, f"{path}/")


def test_a_machine_that_windows_would_not_generalize_says_so(on_machines, provisioning):
    job = alone(cloned(provisioning("web1")), "generalize")
    ran = on_machines({**job, "world": {**job["world"], "refuses": True}})["generalize"]
    assert "Windows would not generalize this machine: C:\\Windows\\System32\\Sysprep\\Panther" in ran["error"]


def fetched(ran):
    """The addresses that a machine asked."""
    return [each["arguments"]["Uri"] for each in ran["log"] if each["command"] == "Invoke-WebRequest"]


def alone(job, script, **world):
    """One script of a job in a world of its own."""
    return {**job, "script": script, "name": script, "world": {**job["world"], **world}}


@pytest.mark.parametrize(("edition", "program"), [("developer", "SQL2022-SSEI-Dev"), ("express", "SQL2022-SSEI-Expr")])
def test_sql_server_comes_from_microsoft_in_the_edition_that_is_chosen(on_machines, provisioning, edition, program):
    job = provisioning("sql1")
    windows = {**job["document"]["topology"]["windows"], "sql": edition}
    job["document"] = {**job["document"], "topology": {**job["document"]["topology"], "windows": windows}}
    ran = on_machines(alone(job, "sql-media"))["sql-media"]
    assert fetched(ran) == [windows["sql_editions"][edition]["url"]]
    assert ran["state"]["files"] == {rf"C:\doublehop\sql-{edition}.exe": f"{SIGNED}{program}", SETUP: f"{SIGNED}setup"}


@pytest.mark.parametrize(("name", "script", "path"), [("sql1", "sql-media", SETUP), ("web1", "hosting-bundle", BUNDLE)])
def test_what_somebody_put_there_is_not_fetched(on_machines, provisioning, name, script, path):
    """As in a network without a way out."""
    job = alone(provisioning(name), script, web={}, files={path: f"{SIGNED}own"})
    ran = on_machines(job)[script]
    assert "error" not in ran, ran
    assert fetched(ran) == []
    assert ran["state"]["files"][path] == f"{SIGNED}own"


@pytest.mark.parametrize(("name", "script"), [("sql1", "sql-media"), ("web1", "hosting-bundle")])
@pytest.mark.parametrize(("web", "said"), [
    ({}, "The remote name could not be resolved"),
    (dict.fromkeys(WEB, "a page of a hotel's"), "not a program with Microsoft's signature (NotSigned); remove it"),
    (dict.fromkeys(WEB, "signed by Mallory: a program"), "not a program with Microsoft's signature (Valid); remove it"),
])
def test_nothing_runs_that_microsoft_did_not_sign(on_machines, provisioning, name, script, web, said):
    ran = on_machines(alone(provisioning(name), script, web=web))[script]
    assert said in ran["error"]
    assert not [each for each in ran["log"] if each["command"] in facts.programs()]


SETUP_PACKAGE = r"C:\doublehop\sql-media\SQLServer2022-DEV-x64-ENU.exe"


@pytest.mark.parametrize(("script", "path"), [("sql-media", SETUP_PACKAGE), ("sql-server", SETUP)])
@pytest.mark.parametrize(("content", "said"), [("whatever", "NotSigned"), ("signed by Mallory: setup", "Valid")])
def test_what_was_fetched_or_unpacked_is_looked_at_again(on_machines, provisioning, script, path, content, said):
    """The media's package and the setup inside it: whoever can write there may have been quicker."""
    ran = on_machines(alone(provisioning("sql1"), script, files={path: content}))[script]
    assert f"{path} is not a program with Microsoft's signature ({said}); remove it" in ran["error"]
    assert not [each for each in ran["log"] if each["command"] in facts.programs()]


def test_no_secret_is_an_argument_an_answer_or_a_file(provisioned):
    for ran in provisioned.values():
        told = json.dumps([ran["log"], ran["rounds"], ran["state"]["files"], ran["state"]["registry"]])
        for secret in SECRETS.values():
            # The one method that takes it takes it as an argument of a call inside the process.
            allowed = f'"ServiceStartPassword": "{secret}"'
            assert secret not in told.replace(allowed, "")


def test_a_member_waits_for_the_domain(on_machines, provisioning, machines):
    joined = provisioning("web1")
    before = {"name": "before", "script": "rename", "document": joined["document"], "world": joined["world"]}
    ran = on_machines(before, {"name": "join", "script": "join", "document": joined["document"], "from": "before",
                               "change": {"world": {"domain": False}}})
    assert ran["join"]["answer"]["needs"] == "domain"
    assert ran["join"]["steps"] == 0


@pytest.mark.parametrize(("change", "said"), [
    ({"machine": "web9"}, "the topology has no machine 'web9'"),
    ({"secrets": {}}, "the document has no 'administrator'"),
    ({"topology": {"machines": []}}, "the topology has no machine 'dc1'"),
])
def test_what_is_missing_names_itself(on_machines, provisioning, change, said):
    job = provisioning("dc1")
    job["document"] = {**job["document"], **change}
    ran = on_machines(job)["dc1"]
    assert ran["error"] == said
    assert re.search(r"\.ps1:\d+$", ran["where"])


def test_a_machine_of_another_domain_is_left_alone(on_machines, provisioning):
    job = provisioning("web1")
    ran = on_machines({"name": "web1", "script": "join", "document": job["document"], "world": job["world"],
                       "change": {"computer": {"name": "web1", "next": "web1", "domain": "corp.example",
                                               "member": True, "role": 3}}})
    assert "a member of corp.example, not of doublehop.test" in ran["web1"]["error"]
    assert ran["web1"]["steps"] == 0


SUBCATEGORY = "/subcategory:{0CCE9215-69AE-11D9-BED3-505054503030}"
ADD = ("http", "add", "sslcert", "ipport=0.0.0.0:443", f"certhash={'A' * 40}")
APPLICATION = "{4DC3E181-E14B-4A21-B022-59FC669B0914}"
WRONG_LINES: dict[str, list[tuple[str, ...]]] = {
    r"C:\Windows\System32\Sysprep\sysprep.exe": [
        ("/oobe", "/quiet", "/quit", r"/unattend:C:\x.xml"), ("/generalize", "/quiet", "/quit", r"/unattend:C:\x.xml")],
    "netsh.exe": [(*ADD, f"apid={APPLICATION}", "certstorename=MY"), (*ADD, f"appid={APPLICATION}", "certstore=MY"),
                  (*ADD, f"appid={APPLICATION}"), ("http", "remove", "sslcert", "ipport=0.0.0.0:443")],
    "shutdown.exe": [("/s", "/t", "5", "/f", "/d", "p:4:1"), ("/r", "/f", "/d", "p:4:1")],
    "auditpol.exe": [("/get", SUBCATEGORY), ("/set", SUBCATEGORY, "/r"), ("/set", SUBCATEGORY, "/success:enable")],
    "certreq.exe": [("-accept", "-q", r"C:\x.cer"), ("-new", "-q", "-f", r"C:\x.inf", r"C:\x.req")],
    "sqlcmd.exe": [("-E", "-S", "localhost", "-h", "-1", "-W", "-i", r"C:\list-logins.sql"),
                   ("-E", "-S", "localhost", "-b", "-W", "-i", r"C:\list-logins.sql")],
    BUNDLE: [("/quiet", "/norestart"), ("/install", "/norestart")],
    "klist.exe": [("-li", "3e7", "tickets"), ("-li", "0x3e5", "purge"), ("tickets", "-li", "0x3e7")],
    "icacls.exe": [(r"C:\x", "/grant", r"DOUBLEHOP\alice:(OI)(CI)F"), (r"C:\x", "/inheritance:r")],
    SETUP: [("/Configuration=C:\\x.ini",)],
}
LINES = r"""param([object]$Document)
. "$PSScriptRoot\common.ps1"
Write-Document @{ taken = @(foreach ($each in $Document.lines) {
            $line = "$($each.program) $($each.arguments -join ' ')"
            try { $null = Invoke-Program $each.program $each.arguments; $line }
            catch { if ("$_" -notlike 'no command line of *') { "${line}: $_" } } }) }
"""


def test_a_command_line_that_is_not_published_is_refused(on_machines, provisioning, tmp_path):
    """One in which a switch is missing, misspelt or another verb's: whichever test runs a program, the stub looks."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "common.ps1").write_text((facts.HERE.parents[1] / "lab" / "windows" / "common.ps1").read_text())
    (folder / "lines.ps1").write_text(LINES)
    lines = [{"program": name, "arguments": each} for name, wrong in WRONG_LINES.items() for each in wrong]
    ran = on_machines({**provisioning("web1", script="lines"), "document": {"lines": lines}}, scripts=folder)["web1"]
    assert ran["answer"] == {"taken": []}


@pytest.mark.parametrize(("wrong", "said"), [
    ("Rename-Computer -NewNmae $name -Force", "A parameter cannot be found that matches parameter name 'NewNmae'."),
    ("Rename-Computer -Force", "missing mandatory parameters: NewName"),
    ("Get-NetIPAddress -AddressFamily IPv5", "does not belong to the set"),
    ("Set-DnsClient -InterfaceAlias x -InterfaceIndex 1", "Parameter set cannot be resolved"),
    ("Set-LocalUser -Name x -Password 'plain'", 'type "System.String" to type "System.Security.SecureString"'),
])
def test_a_call_that_windows_would_refuse_fails_here(on_machines, provisioning, tmp_path, wrong, said):
    """The stubs bind as the published cmdlets do: a misspelt parameter in the real script, and four other mistakes."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for each in facts.SCRIPTS:
        text = each.read_text()
        if each.name == "rename.ps1":
            assert "Rename-Computer -NewName $name -Force" in text
            text = text.replace("Rename-Computer -NewName $name -Force", wrong)
        (folder / each.name).write_text(text)
    ran = on_machines(provisioning("web1", script="rename"), scripts=folder)["web1"]
    assert said in ran["error"]
    assert "rename.ps1" in ran["trace"]


@pytest.mark.parametrize("release", [each for each in facts.RELEASES if each != RELEASE])
def test_a_server_may_be_of_every_release(on_machines, provisioning, release):
    """As far as the parameters of cmdlets go; where there is no page of a release, another one's count."""
    ran = on_machines(*(provisioning(each) for each in ("dc1", "web1", "sql1")), release=release)
    assert [each["rounds"][-1]["needs"] for each in ran.values()] == ["", "", ""]


def test_a_certificate_that_is_handed_over_is_taken(provisioned):
    """And the request for it is gone; without one a machine keeps the one it has."""
    ran = provisioned["web1"]
    assert r"C:\doublehop\certificates\request.req" not in ran["state"]["files"]
    assert "BEGIN NEW CERTIFICATE REQUEST" in ran["rounds"][RESTARTS["web1"]]["request"]
    assert ran["state"]["certificates"]["Root"] and ran["state"]["certificates"]["My"]
    assert certificates("web1")["machine"] == ran["state"]["files"][r"C:\doublehop\certificates\own.cer"]


@pytest.mark.parametrize(("script", "before"), [
    ("generalize", ()), ("rename", ()), ("promote", ("rename",)), ("join", ("rename",))])
def test_who_did_not_restart_the_machine_is_told_again(on_machines, provisioning, script, before):
    """What waits for a start is seen for what it is, and not done twice."""
    job = cloned(provisioning("dc1" if script == "promote" else "web1"))
    common = {"document": job["document"]}
    first = [{"name": each, "script": each, "world": job["world"], **common} for each in before]
    at = {"from": before[-1], "restart": True} if before else {"world": job["world"]}
    ran = on_machines(*first, {"name": "it", "script": script, **at, **common},
                      {"name": "again", "script": script, "from": "it", **common})
    assert ran["it"]["steps"] > 0
    assert ran["it"]["answer"]["needs"] == ran["again"]["answer"]["needs"] == "restart"
    assert ran["again"]["steps"] == 0


def test_a_restart_that_an_installer_wanted_is_asked_for_until_there_was_one(on_machines, provisioning):
    """Also where the run ended before it could say so."""
    web1 = provisioning("web1")
    job = {**web1, "name": "it", "from": "installed"}
    ran = on_machines({**web1, "name": "installed", "script": "hosting-bundle"}, job)
    assert ran["installed"]["answer"]["needs"] == "restart"
    first, second = ran["it"]["rounds"][:2]
    assert (first["needs"], first["changed"]) == ("restart", [])
    assert second["changed"], "it goes on, and asks no more for that"
    assert r"C:\doublehop\restart-owed.txt" not in ran["it"]["state"]["files"]


def test_a_domain_controller_that_took_its_certificate_is_started_anew_whoever_comes_next(on_machines, provisioning):
    """LDAPS has none until then, and the run that took it may have ended."""
    dc1 = provisioning("dc1")
    document = {**dc1["document"], "certificates": certificates("dc1")}
    ran = on_machines({**dc1, "name": "taken", "script": "certify", "document": document},
                      {**dc1, "name": "it", "from": "taken"})
    assert ran["taken"]["answer"]["needs"] == "restart"
    assert (ran["it"]["rounds"][0]["needs"], ran["it"]["rounds"][0]["changed"]) == ("restart", [])


@pytest.mark.parametrize("why", ["", "Windows found a reason."])
def test_who_promotes_a_machine_is_let_in_to_restart_it(on_machines, provisioning, why):
    """Promotion stops Netlogon, done or not; names and passwords are taken only while that runs."""
    job = provisioning("dc1")
    common = {"document": job["document"]}
    ran = on_machines({"name": "named", "script": "rename", "world": {**job["world"], "noForest": why}, **common},
                      {"name": "it", "script": "promote", "from": "named", "restart": True, **common},
                      {"name": "cut off", "script": "promote", "from": "it", "change": {"services": {
                          "Netlogon": {"status": "Stopped"}}}, **common})
    assert ("error" in ran["it"]) == bool(why) and why in ran["it"].get("error", "")
    assert [ran[each]["state"]["services"]["Netlogon"]["status"] for each in ("it", "cut off")] == ["Running"] * 2


def test_a_restart_is_asked_for_and_one_that_cannot_be_says_why(on_machines, provisioning):
    job = alone({**provisioning("web1"), "document": {}}, "restart")
    ran = on_machines(job, {**alone(job, "restart", refuses=True), "name": "refused"})
    assert ran["restart"]["state"]["world"]["restarts"] is True
    assert "shutdown.exe ended with 1115" in ran["refused"]["error"]
