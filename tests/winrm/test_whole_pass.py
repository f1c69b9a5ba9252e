"""A Windows lab from up to down, through WinRM and the directory: what arrives where, and that nothing of it stays.

The machines are models of Windows behind a real WinRM, the directory and the KDC are the lab's own. No Windows makes
the request: when the client's script starts its task, the reference client asks the reference front end, which has the
configuration and the keys that came to IIS, and that answer is what the task leaves. So who the database sees is real,
and rests on what the provider wrote into the directory.
"""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree

import pytest

from doublehop import catalogue, directory, kdclog, providers
from doublehop import lab as labs
from doublehop import topology as topologies
from doublehop.codes import KrbError
from doublehop.data import LAB
from doublehop.lab import user_secret
from doublehop.scope import scope_of
from tests.winrm import logs
from tests.winrm.model import Windows

PROGRAM = (LAB.parent / "tests" / "winrm" / "whole_pass.py").read_text()
SCRIPTS = {each.name: each.read_bytes() for each in (LAB / "windows").iterdir() if each.suffix in {".ps1", ".sql"}}
STEP_SECONDS = 150
MACHINES = ("dc1", "web1", "sql1", "client1")
PROVISIONED_HERE = "web1"
"""Its provisioning passes through WinRM too; the others begin with their names."""
HOST_CONFIGURATION = r"C:\Windows\System32\inetsrv\config\applicationHost.config"


class Models:
    """The stub machines, and what the client's task comes to."""

    def __init__(self, lab, pwsh, authority, folder):
        self._lab, self.authority = lab, authority
        self.machines = {name: Windows(pwsh, folder / f"{name}-windows", each)
                         for name, each in lab.topology.machines.items() if name in MACHINES}
        self.documents: dict[str, dict[str, Any]] = {name: {} for name in self.machines}
        self.secrets: set[str] = set()
        self._mark = 0

    def watch(self, name):
        """Look at the programs that a machine is told to run, before they do."""

        def watch(text, stdin):
            script = re.search(r"/windows/(\S+\.ps1)'", text)
            if script:
                self.documents[name][script[1]] = json.loads(stdin)
                if script[1] == "ask-as.ps1":
                    self._ask(json.loads(stdin))

        return watch

    def _ask(self, document):
        """The reference client asks the reference front end, as the scripts' documents say."""
        lab, wanted = self._lab, self.documents["web1"]["configure-iis.ps1"]
        accounts = {label: self._key(each) for label, each in wanted["accounts"].items()}
        lab.front_end("web1").ask("configure", config=wanted["config"], accounts=accounts, fixed={}, pages={})
        lab.sql.ask("set_logins", add=self._of_scenario(), remove=[])
        name, password = self._name(document["user"]), document["user"]["password"]
        self.secrets |= {password, *(each["password"] for each in wanted["accounts"].values())}
        principal, probe = f"{name}@{lab.topology.realm}", document["probe"]
        mark = lab.dc.ask("log_mark")
        assert lab.client.ask("sign_in", principal=principal, password=password) == ""
        saw = lab.client.ask("probe", url=probe["url"], principal=principal, profile=probe["profile"],
                             times=probe["times"], hosts=[], logon={})
        lab.client.ask("sign_out", principal=principal)
        lab.sql.ask("set_logins", add=[], remove=self._of_scenario())
        self.machines["client1"].change(answer=json.dumps(saw))
        told = lab.dc.ask("log_since", mark=mark)
        # In a Windows lab the database's names are those of the account that it runs as.
        holders = {spn.lower(): lab.topology.windows.sql_account if each == "SQL1$" else each
                   for each in ("SQL1$", *(self._name(each) for each in wanted["accounts"].values()))
                   for spn in self._read(each, "servicePrincipalName")}
        events = [as_event(each, holders) for each in kdclog.parse(told)]
        self.machines["dc1"].change(events=events + logs.of_a_domain_controller(name))
        (pool,) = (self._name(each) for each in wanted["accounts"].values())
        self._log(probe["url"], name, pool, refused=saw["status"] == 401)

    def _log(self, url, user, pool, *, refused):
        """What Windows would log on the others: of a ticket that nobody opens, or of one that leads no further."""
        sql, web, client, web1 = (self.machines["sql1"], self.machines["web1"], self.machines["client1"],
                                  self.machines["web1"].state)
        target = f"HTTP/{url.partition('//')[2].partition('/')[0]}"
        files, written = logs.traces(url, "401.1", 0x8009030C, "The logon attempt failed") if refused else ({}, {})
        last = "401 1 2148074252" if refused else "200 0 0"
        web.change(
            files={**web1["files"], **logs.iis("401 2 2148074254", last), **files},
            written={**web1["world"].get("written", {}), **written},
            folders={**web1["folders"], **dict.fromkeys((rf"{logs.LOGS}\LogFiles", rf"{logs.LOGS}\FailedReqLogFiles"),
                                                        True)},
            events=[logs.error(0xD, "KDC_ERR_BADOPTION", SQL, logs.BEFORE), logs.error(0xD, "KDC_ERR_BADOPTION", SQL),
                    logs.logon(user, ImpersonationLevel="%%1833"), logs.logon("Administrator")],
            sessions=logs.sessions(pool), klist={"0x3e7": logs.klist("WEB1$", "krbtgt/DOUBLEHOP.TEST"),
                                                 "0x3ab99": logs.klist(pool, "krbtgt/DOUBLEHOP.TEST", pool)})
        client.change(events=[logs.not_opened("web1$", target)] if refused else [])
        nobody = {"AuthenticationPackageName": "NTLM", "LmPackageName": "NTLM V1", "TargetDomainName": "NT AUTHORITY"}
        sql.change(events=[logs.logon("ANONYMOUS LOGON", **nobody), logs.logon("of-before", logs.BEFORE)],
                   connections=[json.dumps(logs.connection(r"DOUBLEHOP\of-before", "NTLM", logs.BEFORE)),
                                json.dumps(logs.connection(rf"DOUBLEHOP\{pool}", "KERBEROS"))])

    def _name(self, account):
        return account["account"].partition("\\")[2]

    def _read(self, name, attribute):
        place = "Computers" if name.endswith("$") else "Users"
        dn = f"CN={name.rstrip('$')},CN={place},{self._lab.topology.base_dn}"
        return self._lab.client.ask("read", dn=dn, attributes=[attribute])[attribute]

    def _key(self, account):
        name = self._name(account)
        (kvno,) = self._read(name, "msDS-KeyVersionNumber")
        return user_secret(self._lab.topology, name, int(kvno), account["password"]).as_key()

    def _of_scenario(self):
        """The logins that sql1 got for this scenario."""
        logins = [each.partition("\\")[2] for each in self.machines["sql1"].state["sql"]["logins"]]
        return [each for each in logins if not each.endswith("$")]


def as_event(line, holders):
    """What the KDC logged, as a Windows KDC logs it: numbers in hexadecimal, and an account for the service."""
    number = {"AS": 4768, "TGS": 4769}[line.kind]
    status = KrbError[line.error].value if line.error else 0
    types = {each.value: int(number) for number, each in kdclog.ENCRYPTIONS.items()}
    service = holders.get(line.service.lower(), line.service)
    return logs.asked_of_the_kdc(number, line.impersonated or line.client, service, status,
                                 types.get(line.encryption, 0xFFFFFFFF))


@pytest.fixture
def lab():
    """A lab of this test's own: what passes through WinRM is another run in it, which has passwords of its own."""
    with labs.up(providers.make("local"), topologies.load(), lambda text: None) as own:
        yield own.wait_for_all()


@pytest.fixture
def models(lab, guests, pwsh, authority, tmp_path):
    """Machines behind WinRM."""
    models = Models(lab, pwsh, authority, tmp_path)
    own = {name: guests.key(name) for name in MACHINES}
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(models.machines[name].begin, name) for name in MACHINES if name != PROVISIONED_HERE]
        made += [pool.submit(guests, name, own=own[name], windows=models.machines[name], watch=models.watch(name))
                 for name in MACHINES]
        for each in made:
            each.result()
    models.machines["dc1"].change(zones={lab.topology.dns: []})
    return models


@pytest.fixture
def begin(lab, toolbox, authority):
    """Begin a pass; gives what goes on with it, and its first step."""
    running = []

    def begin(*scenarios, mistaken):
        own = lab.secrets["Administrator"]
        of_the_directory = lab.machines["dc1"].fetch("/state/private/tls/cert.pem").decode()
        stream = lab.machines["client1"].open("env", f"PYTHONPATH={toolbox}", "python3", "-c", PROGRAM)
        running.append(stream)

        def go_on(answer):
            stream.send(json.dumps(answer).encode() + b"\n")
            line = stream.receive(STEP_SECONDS)
            assert line is not None, "\n".join(stream.log())
            return json.loads(line)

        return go_on, go_on({
            "authority": {"path": f"{toolbox}/authority.pem", "pem": authority.pem + of_the_directory},
            "ccache": f"FILE:{toolbox}/ccache", "principal": own.principal, "password": own.password,
            "scenarios": scenarios, "mistaken": mistaken, "machines": MACHINES,
            "provision": [PROVISIONED_HERE], "signs": authority.pem,
            "described": json.loads((LAB / "vagrant" / "machines.json").read_text())})

    yield begin
    for each in running:
        each.close()


def until(step, name, go_on, models):
    """Go on to a step, doing meanwhile what provisioning asks for."""
    while step["step"] != name:
        answer = {}
        match step["step"]:
            case "restart":
                models.machines[step["machine"]].restart()
            case "sign":
                answer = {"certificate": models.authority.signed(step["request"])}
            case "failed":
                pytest.fail(step["text"])
        step = go_on(answer)
    return step


WORKS, FAILS = "constrained::listed", "constrained::empty-list"
LISTED = "msDS-AllowedToDelegateTo"
REFUSED, LET_IN = "kernel-mode::spn-on-pool-but-computer-key", "kernel-mode::app-pool-credentials"
SQL = "MSSQLSvc/sql1.doublehop.test"


@pytest.fixture
def leftovers(lab):
    """What a killed run of the same scenario left in the directory: accounts whose passwords nobody knows, and DNS."""
    (scenario,) = catalogue.select(catalogue.load(lab.topology), [WORKS])
    scope = scope_of(scenario.id, scenario.given, lab.topology)
    lab.change(directory.plan(scope, {label: labs.new_password() for label in ("alice", "pool")}))
    return {label: lab.client.ask("read", dn=scope.dn(label), attributes=["objectSid"]) for label in ("alice", "pool")}


@pytest.mark.long
def test_two_scenarios_from_up_to_down(models, begin, lab, guests, leftovers):
    """The database sees the user; and nobody, where one leaf is changed, and that in the directory alone."""
    go_on, step = begin(WORKS, FAILS, mistaken=[(REFUSED, LET_IN), (FAILS, WORKS)])
    step = until(step, "provisioned", go_on, models)
    assert models.machines[PROVISIONED_HERE].state["computer"]["domain"] == lab.topology.dns
    assert [each.rpartition("; ")[2] for each in step["told"][:-1]] == [
        *["needs a restart"] * 3, "needs a certificate"]

    before = models.machines["web1"].state["files"][HOST_CONFIGURATION]
    step = until(go_on({}), "up", go_on, models)
    for name, each in guests.running.items():
        assert each.told[0] == {"caller": f"Administrator@{lab.topology.realm}", "scheme": "Kerberos"}, name
        assert {path.name: path.read_bytes() for path in (each.drive / "doublehop/windows").iterdir()} == SCRIPTS
        assert (each.drive / "doublehop/aspnet/framework/App_Code/Handler.cs").exists(), "IIS compiles it"

    for listed, error in ((["MSSQLSvc/sql1.doublehop.test"], ""), ([], "KDC_ERR_BADOPTION")):
        step = until(go_on({}), "applied", go_on, models)
        assert models.documents["dc1"].pop("update-zone.ps1") == {"zone": lab.topology.dns}
        pool = step["accounts"]["pool"]
        assert lab.client.ask("read", dn=pool["dn"], attributes=["objectSid"]) != leftovers["pool"], "a new account"
        is_applied(models, lab, pool, listed)
        step = until(go_on({}), "observed", go_on, models)
        assert step["verdict"]["kind"] == "agreed", step
        saw = step["observation"]["back_ends"]["sql"]
        assert (saw["identity"] == "", saw["error"]) == (bool(error), error)
        assert any(each["error"] == error and "event 4769" in each["text"] for each in step["observation"]["kdc"])
        step = until(go_on({}), "taken back", go_on, models)
        is_taken_back(models, lab, pool)
    step = until(go_on({}), "ended", go_on, models)
    is_explained(step, HOP_1)
    step = until(go_on({}), "ended", go_on, models)
    is_explained(step, HOP_2)
    until(go_on({}), "down", go_on, models)
    is_told_nobody_else(models, guests, [lab.secrets["Administrator"].password])
    assert models.machines["web1"].state["files"][HOST_CONFIGURATION] == before


HOP_1 = (
    (r"dc1: Security event 4769: \S+-alice asks for a ticket to \S+-pool: issued, AES256 "
     r"\(IpAddress ::ffff:10.93.0.21, TicketOptions 0x40810000\)"),
    r"dc1: Security event 4768: \S+-alice asks for a TGT: .*",
    r"dc1: Security event 4771: \S+-alice fails to preauthenticate: KDC_ERR_PREAUTH_FAILED \(0x18\) .*",
    (r"dc1: System event 16: While processing a TGS request .* did not have a suitable key .* The requested etypes "
     r"were 18\. The accounts available etypes were 23 -133 -128\."),
    r"web1: IIS: GET /whoami of -: 401 2 2148074254 \(SEC_E_NO_CREDENTIALS\)",
    r"web1: IIS: GET /whoami of -: 401 1 2148074252 \(SEC_E_LOGON_DENIED\)",
    (r"web1: failed request trace: 401\.1 for http://\S+ in pool Portal: ModuleName=WindowsAuthenticationModule, "
     r"HttpStatus=401, HttpSubStatus=1, ErrorCode=2148074252, "
     r"ErrorDescription=The logon attempt failed \(0x8009030c\)"),
    (r"client1: System event 4: The Kerberos client received a KRB_AP_ERR_MODIFIED error from the server web1\$\. The "
     r"target name used was HTTP/\S+\."),
)
HOP_2 = (
    r"dc1: Security event 4769: \S+ asks for a ticket to sqlserver: KDC_ERR_BADOPTION \(0xD\) .*",
    (r"web1: System event 3: KDC_ERR_BADOPTION \(0xD\) for MSSQLSvc/sql1\.doublehop\.test@DOUBLEHOP\.TEST "
     r"\(ExtendedError 0xc00000bb KLIN\(0\)\)"),
    r"web1: Security event 4624: DOUBLEHOP\\\S+-alice signed in by Kerberos, Impersonation \(LogonType 3, .*\)",
    r"web1: IIS: GET /whoami of -: 200 0 0",
    r"web1: klist of logon 0:0x3e7: WEB1\$ has krbtgt/DOUBLEHOP\.TEST: forwardable .*; AES-256-CTS-HMAC-SHA1-96",
    r"web1: klist of logon 0:0x3ab99: (\S+-pool) has \1: forwardable .*",
    r"sql1: Security event 4624: NT AUTHORITY\\ANONYMOUS LOGON signed in by NTLM NTLM V1, .*",
    (r"sql1: sys\.dm_exec_connections: session 52: DOUBLEHOP\\\S+-pool by KERBEROS over TCP from 10\.93\.0\.21 "
     r"\(WEB1, .*\)"),
)


def is_explained(step, kinds):
    """Each kind of log is in the report and in what a person reads, and nothing of before or of the lab's own."""
    assert step["line"]["verdict"] == "disagreed", step
    told = [f"{each['machine']}: {each['log']}: {each['text']}" for each in step["line"]["logged"]]
    assert [f"  evidence: {each}" for each in told] == [
        each for each in step["explained"] if re.match("  evidence: (dc1|web1|sql1|client1): ", each)]
    for each in kinds:
        assert [line for line in told if re.fullmatch(each, line)], (each, told)
    assert not [line for line in told if "of-before" in line or "Administrator" in line]
    events = [each for each in told if "event 3" in each]
    assert len(events) == 1, "and not that of before"
    assert ("trace" in " ".join(told)) == (kinds is HOP_1), "nor that of the scenario before"
    assert all(each["data"] for each in step["line"]["logged"])


def is_applied(models, lab, pool, listed):
    """The directory, IIS and SQL Server are as the scenario says."""
    account = f"{lab.topology.domain}\\{pool['account']}"
    found = lab.client.ask("read", dn=pool["dn"], attributes=[LISTED, "servicePrincipalName"])
    assert found[LISTED] == listed
    (spn,) = found["servicePrincipalName"]
    iis = ElementTree.fromstring(models.machines["web1"].state["files"][HOST_CONFIGURATION])
    assert [each.get("userName") for each in iis.iterfind(".//processModel[@userName]")] == [account]
    assert [each.get("bindingInformation") for each in iis.iter("binding")] == [f"*:80:{spn.partition('/')[2]}"]
    (windows,) = iis.iterfind("location[@path='Portal']//windowsAuthentication")
    assert windows.get("useKernelMode") == "false"
    assert account in models.machines["sql1"].state["sql"]["logins"]


def is_told_nobody_else(models, guests, secrets):
    """No secret was in a command line or in a log; they were on standard input, as the documents show."""
    secrets = {*secrets, *models.secrets}
    assert len(secrets) >= 3
    for each in guests.running.values():
        seen = [*each.log(), *(text for argv in each.ran for text in (*argv, decoded(argv[-1])))]
        assert not [secret for secret in secrets if any(secret in text for text in seen)]


def decoded(command):
    """The text of a command that PowerShell is given encoded."""
    return base64.b64decode(command).decode("utf-16-le")


def is_taken_back(models, lab, pool):
    """Nothing is said of the account any more, which stays (decision 10), and it may not log in."""
    left = lab.client.ask("read", dn=pool["dn"], attributes=[LISTED, "servicePrincipalName"])
    assert left == {LISTED: [], "servicePrincipalName": []}
    assert all(each.endswith("$") for each in models.machines["sql1"].state["sql"]["logins"])
    assert models.machines["client1"].state["tasks"] == {}
