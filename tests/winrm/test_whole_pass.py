"""A Windows lab from up to down, through WinRM and the directory: what arrives where, and that nothing of it stays.

The machines are models of Windows behind a real WinRM, the directory and the KDC are the lab's own. No Windows makes
the request: when the client's script starts its task, the reference client asks the reference front end, which has the
configuration and the keys that came to IIS, and that answer is what the task leaves. So who the database sees is real,
and rests on what the provider wrote into the directory.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest

from doublehop import kdclog
from doublehop.data import FIXTURES, LAB
from doublehop.lab import user_secret
from tests.winrm.model import Windows

pytestmark = pytest.mark.delegation
PROGRAM = (LAB.parent / "tests" / "winrm" / "whole_pass.py").read_text()
CERTIFICATES = FIXTURES / "windows" / "certificates"
STEP_SECONDS = 60
PROVISIONED_HERE = ("dc1", "web1")
"""Their provisioning passes through WinRM too; the others begin with their names."""
HOST_CONFIGURATION = r"C:\Windows\System32\inetsrv\config\applicationHost.config"


class Models:
    """The stub machines, and what the client's task comes to."""

    def __init__(self, lab, pwsh, folder):
        self._lab = lab
        self.machines = {name: Windows(pwsh, folder / f"{name}-windows", each)
                         for name, each in lab.topology.machines.items()}
        self.documents = {name: {} for name in self.machines}
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
        name, password = document["user"]["account"].partition("\\")[2], document["user"]["password"]
        principal, probe = f"{name}@{lab.topology.realm}", document["probe"]
        mark = lab.dc.ask("log_mark")
        assert lab.client.ask("sign_in", principal=principal, password=password) == ""
        saw = lab.client.ask("probe", url=probe["url"], principal=principal, profile=probe["profile"],
                             times=probe["times"], hosts=[], logon={})
        lab.client.ask("sign_out", principal=principal)
        lab.sql.ask("set_logins", add=[], remove=self._of_scenario())
        self.machines["client1"].change(answer=json.dumps(saw))
        told = lab.dc.ask("log_since", mark=mark)
        self.machines["dc1"].change(events=[as_event(each) for each in kdclog.parse(told)])

    def _key(self, account):
        name = account["account"].partition("\\")[2]
        base, lab = self._lab.topology.base_dn, self._lab
        read = lab.client.ask("read", dn=f"CN={name},CN=Users,{base}", attributes=["msDS-KeyVersionNumber"])
        kvno = int(read["msDS-KeyVersionNumber"][0])
        return user_secret(lab.topology, name, kvno, account["password"]).as_key()

    def _of_scenario(self):
        """The logins that sql1 got for this scenario."""
        logins = [each.partition("\\")[2] for each in self.machines["sql1"].state["sql"]["logins"]]
        return [each for each in logins if not each.endswith("$")]


def as_event(line):
    """What the KDC logged, as a Windows KDC logs it: numbers in hexadecimal, and an account for the service."""
    from doublehop.codes import KrbError
    number = {"AS": 4768, "TGS": 4769}[line.kind]
    status = KrbError[line.error].value if line.error else 0
    types = {each.value: int(number) for number, each in kdclog.ENCRYPTIONS.items()}
    data = {"TargetUserName": line.client, "ServiceName": "an-account", "Status": hex(status),
            "TicketEncryptionType": hex(types.get(line.encryption, 0xFFFFFFFF))}
    told = "".join(f'<Data Name="{name}">{escape(value)}</Data>' for name, value in data.items())
    return {"log": "Security", "id": number, "provider": "Microsoft-Windows-Security-Auditing",
            "time": datetime.now(UTC).isoformat(), "xml": f"<Event><EventData>{told}</EventData></Event>"}


@pytest.fixture
def models(lab, guests, pwsh, tmp_path):
    """Five machines behind WinRM."""
    models = Models(lab, pwsh, tmp_path)
    with ThreadPoolExecutor() as pool:
        for each in [pool.submit(machine.begin, name) for name, machine in models.machines.items()
                     if name not in PROVISIONED_HERE]:
            each.result()
    for name, each in models.machines.items():
        guests(name, windows=each, watch=models.watch(name))
    return models


@pytest.fixture
def begin(lab, toolbox, authority):
    """Begin a pass; gives what goes on with it, and its first step."""
    running = []

    def begin(scenario, provision=()):
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
            "scenario": scenario, "provision": provision, "signs": authority.pem,
            "described": json.loads((LAB / "vagrant" / "machines.json").read_text()) if provision else None})

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
                machine = re.search(r"-----\s+([a-z0-9]+)\.", step["request"])[1]
                answer = {"certificate": (CERTIFICATES / f"{machine}.pem").read_text()}
            case "failed":
                pytest.fail(step["text"])
        step = go_on(answer)
    return step


def test_a_scenario_from_up_to_down(models, begin, lab):
    go_on, step = begin("constrained::listed", PROVISIONED_HERE)
    step = until(step, "provisioned", go_on, models)
    print(step)
    step = until(go_on({}), "up", go_on, models)
    step = until(go_on({}), "applied", go_on, models)
    print(step)
    print(models.machines["web1"].state["files"][HOST_CONFIGURATION])
    step = until(go_on({}), "observed", go_on, models)
    print(step)
    step = until(go_on({}), "taken back", go_on, models)
    step = until(go_on({}), "down", go_on, models)
    assert 0
