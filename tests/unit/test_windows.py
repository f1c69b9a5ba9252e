"""What is said of Windows guests without any: what they are sent, what their logs mean, what they cannot do."""

import base64
import dataclasses
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from doublehop import catalogue, directory, front_ends
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import Deadline, LabError
from doublehop.model import OF_FRONT_ENDS, Given, Need, Principal, Role
from doublehop.providers import windows
from doublehop.providers.local import LocalProvider
from doublehop.providers.vagrant_guests import Guests
from doublehop.providers.windows import TAKES_LONGER
from doublehop.providers.windows_agents import OFFERS, OPERATIONS, Answer, Domain, Guest
from doublehop.providers.windows_logs import request_line
from doublehop.providers.windows_scripts import CALL, COPY, GREET, encoded, files, plain
from doublehop.providers.winrm import Account, Endpoint
from doublehop.run import CommandResult
from doublehop.scope import scope_of
from doublehop.topology import Named

COMMAND_LINE = 8191
"""The longest command line that cmd.exe takes."""


@pytest.fixture(scope="module")
def topology():
    return topologies.load()


def test_what_iis_logged_of_a_request():
    """A 401 that asks for credentials, or for the next leg, refuses nobody."""
    def line(status, code, substatus=1):
        told = {"cs-method": "GET", "cs-uri-stem": "/whoami", "sc-status": str(status), "sc-substatus": str(substatus),
                "sc-win32-status": str(code)}
        return request_line(told)["error"]

    codes = {(200, 0): "", (401, 5): "", (401, 0x8009030E): "", (401, 0x8009030C): "SEC_E_LOGON_DENIED",
             (401, 0x80090322): "KRB_AP_ERR_MODIFIED", (401, 0x80090324): "KRB_AP_ERR_SKEW",
             (401, 0x80090346): "SEC_E_BAD_BINDINGS", (401, 0x80090399): "UNKNOWN (0x80090399)", (500, 64): ""}
    assert {each: line(*each) for each in codes} == codes
    assert request_line({"sc-status": "401", "sc-substatus": "1", "sc-win32-status": "2148074252"})["native"] == (
        "401.1, sc-win32-status 2148074252")


def test_errors_are_read_out_of_powershells_xml():
    wrapped = ('#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
               '<S S="Error">no site is called &lt;Portal&gt;_x000D__x000A_</S><S S="Error">at line 4_x000D__x000A_</S>'
               '<S S="Progress">never mind</S></Objs>')
    assert plain(wrapped) == "no site is called <Portal>\nat line 4\n"
    assert plain("configure-iis.ps1:4:1: no site") == "configure-iis.ps1:4:1: no site"


def test_what_a_script_writes_by_itself_stands_between_powershells_xml():
    """PowerShell begins with its header as soon as it has anything to say, such as that it prepares its modules."""
    progress = '<Objs Version="1.1.0.1"><Obj S="progress" RefId="0"><I64 N="SourceId">1</I64></Obj></Objs>'
    written = f"#< CLIXML\r\nname: web1\r\nconfigure-iis.ps1:42:5: boom\r\n{progress}"
    assert plain(written) == "name: web1\nconfigure-iis.ps1:42:5: boom\n"


SCRIPTS = sorted((LAB / "windows").glob("*.ps1"))


def test_a_guest_gets_its_scripts_and_the_page_that_iis_compiles():
    got = {name: base64.b64decode(each) for name, each in files().items()}
    assert {f"windows/{each.name}" for each in SCRIPTS} < got.keys()
    assert got["aspnet/framework/App_Code/Handler.cs"] == (LAB / "aspnet/framework/App_Code/Handler.cs").read_bytes()
    assert not [each for each in got if each.endswith((".md", ".csproj"))]


@pytest.mark.parametrize("command", [*(CALL.replace("SCRIPT", each.name) for each in SCRIPTS), COPY, GREET])
def test_a_command_line_is_short_enough_for_windows_and_is_what_it_says(command):
    line = encoded(command)
    assert len(" ".join(line)) < COMMAND_LINE / 2
    text = base64.b64decode(line[-1]).decode("utf-16-le")
    assert "FOLDER" not in text and text.replace("C:/doublehop/windows", "FOLDER") == command


def test_passwords_show_in_no_text_of_an_account():
    assert "secret" not in repr(Account(user="DOUBLEHOP\\Administrator", password="secret"))


LINE = {"date": "2026-11-23", "time": "18:00:01", "cs-method": "GET", "cs-uri-stem": "/whoami", "cs-username": "-",
        "sc-status": "401", "sc-substatus": "2", "sc-win32-status": "5"}


@pytest.fixture
def agent(topology):
    """A web server's operations, and every document that its scripts were called with."""
    called = []
    domain = Domain(topology, lambda operation, **arguments: (operation, arguments), lambda request: {})

    def call(script, document):
        called.append((script, document))
        return Answer({"events": [], "requests": [LINE], "traces": [], "tickets": [], "connections": []},
                      "2026-11-23T18:00:00Z")

    def operations(role):
        return OPERATIONS[role](Guest("web1", role, call, lambda: "2026-11-23T17:00:00Z", lambda: None), domain)

    return operations, called


@pytest.mark.parametrize(("kind", "page"), [("aspnet", "framework"), ("aspnetcore-iis", "core")])
def test_a_web_server_is_told_its_page_and_accounts_as_windows_names_them(agent, kind, page):
    operations, called = agent
    web = operations(Role.FRONT_END)
    web["start"](back_ends={"sql": {"host": "sql1.doublehop.test", "port": 1433}}, address="10.93.0.21", prefix=24,
                 front_end=kind)
    web["configure"](config={"sites": {"Portal": {}}}, pages={},
                     accounts={"pool": {"name": "lab-pool", "password": "p", "salt": "s", "kvno": 2}},
                     fixed={"app": {"principal": "lab-app@DOUBLEHOP.TEST", "password": "q"}},
                     managed={"gmsa": {"name": "lab-gmsa$", "dn": "CN=..."}})
    ((script, document),) = called
    assert script == "configure-iis.ps1"
    assert document["accounts"] == {"pool": {"account": "DOUBLEHOP\\lab-pool", "password": "p"},
                                    "gmsa": {"account": "DOUBLEHOP\\lab-gmsa$"}}
    assert document["page"] == page
    assert document["fixed"] == {"app": {"account": "DOUBLEHOP\\lab-app", "password": "q"}}
    assert document["back_ends"]["sql"].startswith("Data Source=tcp:sql1.doublehop.test,1433;Integrated Security=true")
    web["log"]()
    assert called[-1] == ("collect-evidence.ps1",
                          {"role": "front-end", "since": "2026-11-23T18:00:00Z"})


@pytest.mark.parametrize(("role", "operation", "arguments", "since"), [
    (Role.DOMAIN_CONTROLLER, "log_mark", {}, "2026-11-23T17:00:00Z"),
    (Role.FRONT_END, "forget_log", {}, "2026-11-23T17:00:00Z"),
    (Role.BACK_END, "set_logins", {"add": [], "remove": []}, "2026-11-23T18:00:00Z"),
    (Role.CLIENT, "sign_in", {"principal": "lab-alice@DOUBLEHOP.TEST", "password": "p"}, "2026-11-23T17:00:00Z"),
])
def test_a_machine_tells_its_logs_from_the_scenarios_configuration_on(agent, role, operation, arguments, since):
    """By its own clock; before that nobody is asked, since what there is would be another scenario's."""
    operations, called = agent
    machine = operations(role)
    assert machine["logged"]() == [] and called == []
    machine[operation](**arguments)
    assert [each["text"] for each in machine["logged"]()] == ["GET /whoami of -: 401 2 5 (ERROR_ACCESS_DENIED)"]
    assert called[-1] == ("collect-evidence.ps1", {"role": str(role), "since": since})


def test_a_domain_controller_that_is_asked_how_it_is_forgets_nothing_of_what_it_is_to_tell(agent):
    operations, called = agent
    controller = operations(Role.DOMAIN_CONTROLLER)
    controller["log_mark"]()
    controller["check"]()
    controller["logged"]()
    assert called == [("collect-evidence.ps1", {"role": "domain-controller", "since": "2026-11-23T17:00:00Z"})]


def test_what_is_said_of_the_database_is_said_of_the_account_that_sql_server_runs_as(topology):
    """It has a domain account there, which holds the names, and is no computer's."""
    facts = Principal(trusted_for_delegation=True, principals_allowed_to_delegate_to_account=("web1",))
    there = dataclasses.replace(topology, named=Named(accounts={"sql1": topology.windows.sql_account}))
    given = Given(users={}, front_ends={}, computers={"sql1": facts})
    changes = list(directory.plan(scope_of("topic::it", given, there), {}))
    assert {each["dn"] for each in changes} == {"CN=sqlserver,CN=Users,DC=DOUBLEHOP,DC=TEST"}
    values = {each["attribute"]: each["values"] for each in changes if each["do"] == "modify"}
    assert values == {"userAccountControl": [str(0x200 | 0x10000 | 0x80000)]}


def test_what_windows_cannot_do_is_a_need_of_the_scenario(topology):
    """So it is not run there, by name; the lab of Linux machines has all of it."""
    needs = {each.id: set(each.needs) for each in catalogue.load(topology)}
    for scenario, need in {
        "proxy::own-connections": Need.REVERSE_PROXY, "basic::clear-text": Need.OTHER_CLIENTS,
        "between-hops::user-disabled": Need.STANDING_SIGN_INS, "keys::machine-password-reset": Need.COMPUTER_PASSWORDS,
        "registration::own-name-by-the-computer": Need.COMPUTER_PASSWORDS, "groups::limits-raised": Need.REQUEST_LIMITS,
    }.items():
        assert need in needs[scenario] - OFFERS, scenario
        assert need in LocalProvider.offers
    assert needs["constrained::listed"] <= OFFERS
    assert needs["windows::application-pool-identity"] <= OFFERS


def test_what_a_windows_lab_cannot_do_is_refused_by_name(agent):
    operations, _ = agent
    assert "set_clock" not in operations(Role.CLIENT) and "plant_spn" not in operations(Role.DOMAIN_CONTROLLER)
    with pytest.raises(LabError, match="web1: a Windows lab runs no reverse proxy"):
        operations(Role.FRONT_END)["set_proxy"](to="http://web2", port=80)
    assert operations(Role.FRONT_END)["set_proxy"]() is None


DOMAIN = Domain(topologies.load(), lambda operation, **arguments: None, lambda request: {})


class Guarded:
    """A machine whose Credential Guard follows what is asked of it after so many restarts."""

    def __init__(self, restarts):
        self.to_come, self.wanted, self.restarted = restarts, False, 0

    def call(self, script, document):
        assert script == "credential-guard.ps1"
        self.wanted = document["credential_guard"]
        return Answer({"changed": [], "needs": "restart" if self.restarted < self.to_come else ""}, "")

    def restart(self):
        self.restarted += 1


@pytest.mark.parametrize("role", [Role.CLIENT, Role.FRONT_END])
@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_credential_guard_takes_the_restarts_that_it_needs(role, restarts):
    machine = Guarded(restarts)
    operations = OPERATIONS[role](Guest("client1", role, machine.call, str, machine.restart), DOMAIN)
    operations["set_credential_guard"](on=True)
    assert machine.wanted is True and machine.restarted == restarts


def test_credential_guard_that_does_not_come_is_told_and_one_that_does_not_go_ends_the_lab():
    machine = Guarded(5)
    operations = OPERATIONS[Role.CLIENT](Guest("client1", Role.CLIENT, machine.call, str, machine.restart), DOMAIN)
    refused = operations["set_credential_guard"](on=True)["refused"]
    assert refused.startswith("client1: Credential Guard is not on after 2 restarts")
    with pytest.raises(LabError, match="client1: Credential Guard is not off after 2 restarts"):
        operations["set_credential_guard"](on=False)


def test_every_operation_of_a_scenario_about_credential_guard_is_known_to_take_long(agent):
    operations, _ = agent
    assert TAKES_LONGER.keys() <= operations(Role.CLIENT).keys() & operations(Role.FRONT_END).keys()


def test_the_firewall_lets_in_every_port_that_a_scenarios_site_is_at(topology):
    spans = [[int(one) for one in each.split("-")] for each in topology.windows.web_ports]
    ports = {int(binding.split(":")[-2].rpartition("/")[2]) for scenario in catalogue.load(topology)
             for front_end in scenario.given.front_ends.values() for site in front_end.sites.values()
             for binding in site.bindings}
    assert {81, 443, 5000, 8080} <= ports
    assert {each for each in ports if not any(span[0] <= each <= span[-1] for span in spans)} == set()


@pytest.mark.parametrize(("dn", "told"), [
    ("DC=portal.s1,DC=doublehop.test,CN=MicrosoftDNS,DC=DomainDnsZones,DC=doublehop,DC=test", ["update-zone.ps1"]),
    ("CN=lab-pool,CN=Users,DC=doublehop,DC=test", []),
])
def test_the_dns_server_is_told_of_records_that_were_changed(topology, monkeypatch, dn, told):
    asked = []

    class Controller:
        def __init__(self, *_):
            pass

        def call(self, script, document):
            assert document == {"zone": topology.dns}
            asked.append(script)

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(windows, "WindowsMachine", Controller)
    endpoint = Endpoint(machine="dc1", host="", address="", authority=LAB)
    access = windows.Access(endpoints={"dc1": endpoint}, administrator=Account(), directory=endpoint,
                            directory_password="", signed=lambda request: {}, restart=print)
    with ExitStack() as stack:
        ask = windows._served(lambda operation, **_: operation, topology, access, stack)
        assert ask("change", changes=[{"dn": dn}]) == "change"
        assert ask("read", dn=dn) == "read"
    assert asked == [*told, "closed"]


def test_a_page_keeps_no_connection_to_the_database(topology):
    given: dict[str, Any] = {}
    guest = Guest("web1", Role.FRONT_END, lambda _, document: given.update(document) or Answer({}, "now"), str, print)
    does = OPERATIONS[Role.FRONT_END](guest, Domain(topology, print, lambda request: {}))
    does["start"](back_ends={"sql": {"host": "sql1.doublehop.test", "port": 1433}}, front_end="aspnet")
    does["configure"](config={}, accounts={}, fixed={}, pages={})
    assert "Pooling=false" in given["back_ends"]["sql"]


def test_a_guest_that_vagrant_waits_for_does_not_answer_yet():
    def waits(*_):
        raise Deadline("`vagrant winrm`", 60)

    answers = CommandResult(argv=(), code=0, stdout="now\n", stderr="")
    guests: Any = SimpleNamespace(do=waits)
    assert Guests.started(guests, "web1") is None
    guests.do = lambda *_: answers
    assert Guests.started(guests, "web1") == "now"


@pytest.mark.parametrize(("kind", "words"), [
    ("aspnet", "of the catalogue's"), ("aspnetcore-iis", "of them are for it")])
def test_the_windows_page_says_how_many_scenarios_there_are(topology, kind, words):
    """Of the whole catalogue, and of what the other page in IIS can be configured for."""
    scenarios = catalogue.load(topology)
    front_end = front_ends.load()[kind]
    able = [each for each in scenarios if {*each.needs} <= OFFERS | OF_FRONT_ENDS and not front_end.missing(each)]
    text = (LAB.parent / "docs" / "windows.md").read_text()
    assert f"{len(able)} {words}" in text
    assert f"of the catalogue's {len(scenarios)} scenarios" in text


@pytest.mark.parametrize("page", ["framework", "core"])
def test_a_page_can_be_in_an_application_inside_another_one(page):
    """Which inherits its handlers, unless it is told not to, and IIS takes no second one of a name (error 500.19)."""
    file = ElementTree.parse(LAB / "aspnet" / page / "web.config").getroot()
    inherited = file.find("system.webServer/handlers")
    alone = file.find("location[@inheritInChildApplications='false']/system.webServer/handlers/add")
    assert (inherited is None) == (alone is not None)
    if inherited is not None:
        removed = {each.get("name") for each in inherited.findall("remove")}
        assert {each.get("name") for each in inherited.findall("add")} <= removed
