"""IIS as a scenario's front-end configuration says, and back again.

`configure-iis.ps1` runs on a provisioned model machine; what it leaves in applicationHost.config, in web.config files
and in the registry is read back by `apphost`, which knows the files as the IIS configuration reference documents them,
and nothing of the script.
"""

import dataclasses
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from doublehop import catalogue, front_ends, topology
from doublehop.data import LAB
from doublehop.execute import _filled
from doublehop.frontend import FrontEnd
from doublehop.scope import scope_of
from tests.windows import apphost
from tests.windows.conftest import golden

FRAMEWORK = LAB / "aspnet" / "framework"
PAGE = {"\\".join((r"C:\doublehop\aspnet\framework", *each.relative_to(FRAMEWORK).parts)): each.read_text()
        for each in sorted(FRAMEWORK.rglob("*")) if each.suffix in {".cs", ".config"} and "obj" not in each.parts}
HOST_CONFIGURATION = r"C:\Windows\System32\inetsrv\config\applicationHost.config"
CORE = r"C:\doublehop\aspnet\core-1"
CORE_PAGE = {rf"{CORE}\web.config": (LAB / "aspnet" / "core" / "web.config").read_text(), rf"{CORE}\whoami.dll": "MZ",
             r"C:\doublehop\aspnet\core.txt": CORE}
"""The page of ASP.NET Core as it is brought: a folder, and which one it is."""
LOOPED = ("impersonation::fixed-user", "tls::secure", "groups::limits-raised", "anonymous::off-for-one-application",
          "providers::ntlm-then-negotiate")
"""In these a run is stopped after each step: a secret in a file, TLS, limits of HTTP.sys, an application of its own, a
list of providers."""
TRANSITION = ("ntlm::second-pool-of-one-name", "tls::secure")
"""And from one to the other: its application, pool and provider go, and its site has other bindings."""


@pytest.fixture(scope="module")
def configurations():
    """Every configuration of a web server that the catalogue has, once, under the id of the first scenario with it."""
    lab = topology.load()
    found: dict[str, Any] = {}
    for each in catalogue.load(lab):
        for number, front_end in enumerate(each.given.front_ends.values()):
            name = f"{each.id} {number}" if number else each.id
            found.setdefault(repr(front_end), (name, each, front_end))
    made = {}
    for name, scenario, front_end in found.values():
        scope = scope_of(scenario.id, scenario.given, lab)
        accounts = {label: {"account": rf"DOUBLEHOP\{scope.account(label)}", "password": f"Pw-{label}-secret"}
                    for label in (*scenario.given.accounts, *scenario.given.users)}
        managed = {label for label, facts in scenario.given.accounts.items() if facts.managed}
        made[name] = {
            "config": _filled(dataclasses.asdict(front_end), scope),
            "accounts": {label: {"account": each["account"]} if label in managed else each
                         for label, each in accounts.items()},
            "fixed": accounts, "back_ends": {"sql": "Data Source=tcp:sql1.doublehop.test,1433"},
            "pages": {name: scope.page(name) for name in scenario.given.back_ends},
        }
    return made


@pytest.fixture
def configured(on_machines, provisioning):
    """Run `configure-iis.ps1` with documents on one provisioned web server; gives each run by the document's name."""

    def run(documents, files=PAGE, **more):
        web1 = provisioning("web1")
        web1["world"]["files"] = files
        jobs = [{"name": name, "script": "configure-iis", "from": "web1", "document": each, **more}
                for name, each in documents.items()]
        ran = on_machines(web1, *jobs)
        del ran["web1"]
        return ran

    return run


def _read(run, document):
    return apphost.of_machine(run["state"], {each["account"]: label for label, each in document["accounts"].items()})


def _check(run, document, runtime):
    """What IIS came to is what was asked for; and it runs, with certificates, and accounts with their profiles."""
    state = run["state"]
    assert _read(run, document) == _wanted(document)
    assert state["sites"] == dict.fromkeys(document["config"]["sites"], "Started")
    (own,) = state["certificates"]["My"]
    assert {each["hash"].upper() for each in state["sslcert"].values()} <= {own}
    assert apphost.ports_of_tls(state) <= {each.removeprefix("0.0.0.0:") for each in state["sslcert"]}
    # Row B-34: a custom account has no place for its own files without its profile.
    assert apphost.pools_of(state) == {(runtime, "true")}
    assert run["again"] == {"steps": 0, "error": None, "same": True}


def _wanted(document):
    return apphost.plain(apphost.READ.validate_python(document["config"]))


@pytest.mark.parametrize("part", range(2))
def test_iis_comes_to_what_every_configuration_of_the_catalogue_says(on_machines, provisioning, configurations, part):
    """One after the other on one machine, each from where the last one left it, and then everything back.

    A second run changes nothing, and what is taken back leaves the machine as it was, to the letter.
    """
    names = sorted(configurations)[part::2]
    web1 = provisioning("web1")
    web1["world"]["files"] = PAGE
    jobs, before = [web1], "web1"
    for name in names:
        jobs.append({"name": name, "script": "configure-iis", "from": before, "document": configurations[name],
                     "again": True})
        before = name
    ran = on_machines(*jobs, {"name": "undo", "script": "configure-iis", "from": before, "document": {"undo": True}})
    assert not {name: each for name, each in ran.items() if "error" in each}
    for name in names:
        _check(ran[name], configurations[name], "v4.0")
    assert ran["undo"]["state"] == ran["web1"]["state"]


@pytest.mark.parametrize("name", LOOPED)
def test_a_run_that_was_stopped_anywhere_is_started_again_and_ends_the_same(configured, configurations, name):
    ran = configured({name: configurations[name]}, loop=True, undo={"undo": True})[name]
    assert ran["loop"]["steps"] >= 15
    assert _read(ran, configurations[name]) == _wanted(configurations[name])
    assert not [each for each in ran["loop"]["failed"] if _differs(each, ran, configurations[name])]
    assert (ran["undo"]["steps"] >= 3, ran["undo"]["same"], ran["undo"]["failed"]) == (True, True, [])


def test_a_change_that_was_stopped_anywhere_is_started_again_and_ends_the_same(
        on_machines, provisioning, configurations):
    web1, (first, second) = provisioning("web1"), (configurations[each] for each in TRANSITION)
    web1["world"]["files"] = PAGE
    job = {"script": "configure-iis"}
    ran = on_machines(web1, {**job, "name": "first", "from": "web1", "document": first},
                      {**job, "name": "second", "from": "first", "document": second, "loop": True})["second"]
    assert ran["loop"]["steps"] >= 15
    assert _read(ran, second) == _wanted(second)
    assert not [each for each in ran["loop"]["failed"] if _differs(each, ran, second)]


def _differs(failed, run, document):
    """Whether what a stopped run came to is anything else: a list may be the same in other words."""
    if isinstance(failed, str):
        return True
    rest, wanted = ({**state, "files": {path: text for path, text in state["files"].items()
                                        if path != HOST_CONFIGURATION}} for state in (failed["state"], run["state"]))
    return rest != wanted or _read(failed, document) != _read(run, document)


def test_what_http_sys_had_before_is_put_back(configured, configurations):
    """A certificate of a port that becomes ours, those of others that never do, and a limit of somebody's."""
    ran = configured({"it": configurations["tls::secure"]})["it"]
    plain, (port,) = ran["before"], apphost.ports_of_tls(ran["state"])
    theirs = {"hash": "ab" * 20, "application": "{00000000-0000-0000-0000-000000000000}", "store": "WebHosting"}
    limits = {**plain["registry"][apphost.LIMITS], "MaxFieldLength": {"type": "DWord", "value": 32768}}
    change = {"sslcert": {f"0.0.0.0:{each}": theirs for each in ("5986", "8172", port)},
              "registry": {**plain["registry"], apphost.LIMITS: limits}}
    ran = configured({"it": configurations["tls::secure"]}, change=change, loop=True, halfway=True,
                     undo={"undo": True})["it"]
    (own,) = ran["state"]["certificates"]["My"]
    assert {at: each["hash"].upper() == own for at, each in ran["state"]["sslcert"].items()} == {
        "0.0.0.0:5986": False, "0.0.0.0:8172": False, f"0.0.0.0:{port}": True}
    assert (ran["answer"]["needs"], "MaxFieldLength" in ran["state"]["registry"][apphost.LIMITS]) == ("restart", False)
    assert not ran["loop"]["failed"]
    assert (ran["undo"]["error"], ran["undo"]["same"], ran["undo"]["failed"]) == (None, True, [])
    assert ran["undo"]["halfway"] == [], "also of a configuration that was never finished"


def test_passwords_are_given_to_iis_and_told_to_nobody(configured, configurations):
    document = configurations["impersonation::fixed-user"]
    ran = configured({"it": document})["it"]
    given = document["config"]["applicationPools"]
    pools = {name: each["userName"] for name, each in given.items() if each["userName"]}
    assert pools
    for pool, label in pools.items():
        assert apphost.password_of(ran["state"], pool) == document["accounts"][label]["password"]
    fixed = r"C:\inetpub\doublehop\Portal\root"
    assert "Pw-" in ran["state"]["files"][rf"{fixed}\web.config"]
    assert ran["state"]["acl"][fixed][0] == "/inheritance:r"
    assert "secret" not in json.dumps(ran["answer"])
    host = ran["state"]["files"][r"C:\Windows\System32\inetsrv\config\applicationHost.config"]
    assert "secret" not in host
    programs = [each for each in ran["log"] if each["command"].endswith(".exe")]
    assert "secret" not in json.dumps(programs)


def test_the_pages_web_config_is_kept_and_told_who_its_threads_are(configured, configurations):
    ran = configured({"it": configurations["chain::listed-on-both-hops 1"]})["it"]
    text = ran["state"]["files"][r"C:\inetpub\doublehop\Api\root\web.config"]
    golden("web.config", text + "\n")
    told = apphost.told_back_ends(text)
    assert re.fullmatch(r"page http://api\.s\w+\.doublehop\.test/whoami", told["api"])
    assert told["sql"] == "sqlserver Data Source=tcp:sql1.doublehop.test,1433" and told.keys() == {"api", "sql"}
    classes = [each for each in ran["state"]["files"] if each.startswith("C:\\inetpub\\doublehop\\Api\\root\\App_Code")]
    assert len(classes) == len(PAGE) - 1, "IIS compiles them by itself"


def test_a_restart_is_asked_for_when_http_sys_has_another_limit(configured, configurations):
    ran = configured({"raised": configurations["groups::limits-raised"],
                      "usual": configurations["pools::two-identities"]})
    assert ran["raised"]["answer"]["needs"] == "restart"
    assert ran["usual"]["answer"]["needs"] == ""


@pytest.mark.parametrize(("change", "said"), [
    ({"accounts": {}}, "the document has no 'pool'"),
    ({"config": {}}, "the document has no 'sites'"),
])
def test_what_is_missing_names_itself(configured, configurations, change, said):
    ran = configured({"it": {**configurations["kernel-mode::domain-account"], **change}})["it"]
    assert ran["error"] == said


def test_a_word_that_iis_does_not_know_is_refused(configured, configurations):
    """The model has the attributes and words of the configuration reference, and no others."""
    config = json.loads(json.dumps(configurations["kernel-mode::domain-account"]["config"]))
    config["applicationPools"]["Portal"]["identityType"] = "DomainUser"
    ran = configured({"it": {**configurations["kernel-mode::domain-account"], "config": config}})["it"]
    assert "'processModel' identityType is one of" in ran["error"]


def test_every_configuration_goes_through_the_file_format_and_back(configurations):
    for name, document in configurations.items():
        front_end = dataclasses.replace(_wanted(document), httpSys=FrontEnd().httpSys)
        identities = {f"{site}{path}": each.impersonate if isinstance(each.impersonate, bool)
                      else dataclasses.asdict(each.impersonate)
                      for site, one in front_end.sites.items() for path, each in one.applications.items()}
        assert apphost.read(apphost.write(front_end), identities) == front_end, name


def test_a_list_is_what_its_places_add_remove_and_clear():
    section = ["system.webServer", "security", "authentication", "windowsAuthentication"]

    def nested(inner):
        for each in reversed(section):
            inner = f"<{each}>{inner}</{each}>"
        return inner

    text = ("<configuration><system.applicationHost><sites><site name='A'/><site name='B'/></sites>"
            "</system.applicationHost>" + nested("<providers><add value='Negotiate'/><add value='NTLM'/></providers>")
            + "<location path='A'>" + nested("<providers><remove value='Negotiate'/></providers>") + "</location>"
            + "<location path='B'>" + nested("<providers><clear/><add value='Negotiate:Kerberos'/></providers>")
            + "</location></configuration>")
    sites = apphost.read(text).sites
    assert sites["A"].windowsAuthentication.providers == ("NTLM",)
    assert sites["B"].windowsAuthentication.providers == ("Negotiate:Kerberos",)


@pytest.fixture
def of_core(configurations):
    """Every configuration of the catalogue that ASP.NET Core in IIS can have, for that page."""
    kind, lab = front_ends.load()["aspnetcore-iis"], topology.load()
    cannot = {each.id for each in catalogue.load(lab) if kind.missing(each)}
    return {name: {**each, "page": "core"} for name, each in configurations.items() if name.split()[0] not in cannot}


def test_iis_has_the_page_of_asp_net_core_in_every_configuration_that_it_can_have(on_machines, provisioning, of_core):
    assert len(of_core) > 60
    web1, before = provisioning("web1"), "web1"
    web1["world"]["files"] = CORE_PAGE
    jobs = [web1]
    for name, each in of_core.items():
        jobs.append({"name": name, "script": "configure-iis", "from": before, "document": each, "again": True})
        before = name
    ran = on_machines(*jobs, {"name": "undo", "script": "configure-iis", "from": before, "document": {"undo": True}})
    assert not {name: each for name, each in ran.items() if "error" in each}
    for name, document in of_core.items():
        _check(ran[name], document, "")
    assert ran["undo"]["state"] == ran["web1"]["state"]


def test_the_page_of_asp_net_core_is_told_where_it_is_and_whom_it_can_ask(configured, of_core):
    name = next(name for name, each in of_core.items() if each["pages"])
    (ran,) = configured({name: of_core[name]}, files=CORE_PAGE).values()
    files = ran["state"]["files"]
    own = [path for path in files if path.startswith(r"C:\inetpub\doublehop")]
    assert own and all(path.endswith("web.config") for path in own), "the page itself stands once, where it was brought"
    file = files[own[0]]
    golden("core-web.config", file)
    told = apphost.told_core(ElementTree.fromstring(file))
    assert told["backEnds"]["api"] == {"kind": "page", "where": of_core[name]["pages"]["api"]}
    settings = (LAB / "aspnet" / "core" / "Settings.cs").read_text()
    for word in (*told, *told["backEnds"]["api"]):
        assert re.search(rf"^ +public .+ {word} {{ get; init; }}", settings, re.IGNORECASE | re.MULTILINE), word


def test_asp_net_core_cannot_be_somebody_by_configuration(configured, configurations):
    """No scenario of that kind is run with it; told to all the same, the script says what there is not."""
    document = {**configurations["impersonation::fixed-user"], "page": "core"}
    (ran,) = configured({"it": document}, files=CORE_PAGE).values()
    assert "ASP.NET Core has no <identity>" in ran["error"]
