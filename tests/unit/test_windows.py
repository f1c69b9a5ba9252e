"""What is said of Windows guests without any: provisioning, the authority, what their logs mean, what is missing."""

import base64
import dataclasses
import json
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doublehop import catalogue, directory
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, InputError, LabError
from doublehop.model import Given, Need, Principal, Role
from doublehop.providers import vagrant_guests, vagrant_windows
from doublehop.providers.authority import Authority
from doublehop.providers.local import LocalProvider
from doublehop.providers.vagrant_guests import described, kept_secrets
from doublehop.providers.windows import CALL, COPY, GREET, TAKES_LONGER, encoded, files
from doublehop.providers.windows_agents import OFFERS, OPERATIONS, SQL_SERVER, Answer, Domain, Guest, request_line
from doublehop.providers.windows_provision import EVERY_SECRET, ROUNDS, Hands, provisioned
from doublehop.providers.winrm import Account, plain
from doublehop.scope import scope_of
from doublehop.topology import Named

COMMAND_LINE = 8191
"""The longest command line that cmd.exe takes."""
SECRETS = {each: f"secret of {each}" for each in EVERY_SECRET}


@pytest.fixture(scope="module")
def topology():
    return topologies.load()


class Machines:
    """Machines that need what they are told to, in turn; they remember what was done to them."""

    def __init__(self, **needs):
        self.needs = needs
        self.done = []

    def go_on(self, name, document):
        self.done.append((name, document))
        left = self.needs.get(name, [])
        return {"changed": [], "needs": left.pop(0) if left else "", "request": "a request",
                "domain_sid": "S-1-5-21-1-2-3" if name == "dc1" else ""}

    def restart(self, name):
        self.done.append((name, "restart"))


def run(topology, machines):
    told: list[str] = []
    provisioned(topology, {"dns": "doublehop.test"}, SECRETS,
                lambda request: {"certificate": f"signed {request}", "authority": "authority"},
                Hands(go_on=machines.go_on, restart=machines.restart), told.append)
    return told


def test_each_machine_gets_what_it_needs_and_the_domain_controller_comes_first(topology):
    machines = Machines(dc1=["restart", "restart", "certificate"])
    assert run(topology, machines)[:2] == ["dc1: nothing to change; needs a restart"] * 2
    of_dc1 = [each for name, each in machines.done if name == "dc1"]
    assert [each if each == "restart" else sorted(each["certificates"].values()) for each in of_dc1] == [
        [], "restart", [], "restart", [], ["authority", "signed a request"]]
    assert [name for name, _ in machines.done][6:] == ["web1", "web2", "sql1", "client1"]


def test_members_are_told_the_domains_sid_which_none_may_have_for_its_own(topology):
    machines = Machines()
    run(topology, machines)
    told = {name: each["domain_sid"] for name, each in machines.done}
    assert told == {"dc1": "", **dict.fromkeys(("web1", "web2", "sql1", "client1"), "S-1-5-21-1-2-3")}


def test_a_machine_is_told_no_more_secrets_than_its_role_needs(topology):
    machines = Machines()
    run(topology, machines)
    told = {name: sorted(each["secrets"]) for name, each in machines.done}
    assert told == {"dc1": ["administrator", "dsrm", "sql_service"], "web1": ["administrator"],
                    "web2": ["administrator"], "sql1": ["administrator", "sql_service"], "client1": ["administrator"]}


@pytest.mark.parametrize(("needs", "said"), [
    (["restart"] * ROUNDS, f"web1 is not provisioned after {ROUNDS} rounds; it needed restart, restart"),
    (["domain"], "web1 finds no domain doublehop.test"),
    (["a cup of tea"], "web1 needs 'a cup of tea'"),
])
def test_a_machine_that_cannot_be_provisioned_says_what_it_waits_for(topology, needs, said):
    with pytest.raises(LabError, match=said):
        run(topology, Machines(web1=needs))


def request(*names):
    key = rsa.generate_private_key(65537, 2048)
    made = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web1")]))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_the_authority_signs_for_servers_and_for_the_names_that_were_asked_for(tmp_path):
    authority = Authority(tmp_path)
    own = x509.load_pem_x509_certificate(authority.signed(request("web1", "web1.doublehop.test")).encode())
    own.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem.encode()))
    assert own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName) == ["web1", "web1.doublehop.test"]
    assert list(own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH]
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert stat.S_IMODE((tmp_path / "authority.key").stat().st_mode) == 0o600
    assert Authority(tmp_path).pem == authority.pem, "the next run finds the same one"


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
def test_the_authority_signs_nothing_else(tmp_path, text):
    with pytest.raises(LabError, match="this is no request"):
        Authority(tmp_path).signed(text or request())


def test_secrets_are_made_with_the_first_guest_and_belong_to_their_owner(tmp_path):
    made = kept_secrets(tmp_path, {"dc1": "not_created"})
    assert set(made) == {*EVERY_SECRET} and len(set(made.values())) == len(EVERY_SECRET)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert kept_secrets(tmp_path, {"dc1": "running"}) == made
    assert kept_secrets(tmp_path, {"dc1": "not_created"}) != made


@pytest.mark.parametrize(("kernel", "access", "said"), [
    ("Linux version 6.6.87.2-microsoft-standard-WSL2 (root@x)", "1", ""),
    ("Linux version 6.6.87.2-microsoft-standard-WSL2 (root@x)", "", "only with VAGRANT_WSL_ENABLE_WINDOWS_ACCESS=1"),
    ("Linux version 6.1.0-37-amd64 (debian-kernel@lists.debian.org)", "1", "run this in WSL 2 there"),
])
def test_hyper_v_is_there_where_vagrant_says_so(tmp_path, monkeypatch, kernel, access, said):
    monkeypatch.setattr(vagrant_windows, "KERNEL", tmp_path / "version")
    vagrant_windows.KERNEL.write_text(kernel)
    monkeypatch.setenv(vagrant_windows.WSL_ACCESS, access)
    told = vagrant_windows.MISSING["hyperv"]()
    assert said in told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(("variable", "file", "edition"), [
    (None, None, "developer"), ("express", None, "express"), (None, "express", "express"),
    ("developer", "express", "developer"),
])
def test_an_option_chooses_the_edition_of_sql_server(tmp_path, monkeypatch, variable, file, edition):
    monkeypatch.setattr(vagrant_guests, "OPTIONS", tmp_path / "options.json")
    monkeypatch.delenv(vagrant_guests.SQL_OPTION, raising=False)
    if variable:
        monkeypatch.setenv(vagrant_guests.SQL_OPTION, variable)
    if file:
        vagrant_guests.OPTIONS.write_text(json.dumps({vagrant_guests.SQL_OPTION: file}))
    plain = vagrant_guests.described()
    assert vagrant_guests.with_options(plain) == {**plain, "windows": {**plain["windows"], "sql": edition}}


@pytest.mark.parametrize(("content", "said"), [
    (None, "WinRM credential missing: dc1, web1 are there, but not .*secrets.json; put it back, or run"),
    ({"administrator": "x", "dsrm": ""}, "WinRM credential missing: .*secrets.json has no dsrm, sql_service"),
])
def test_guests_whose_secrets_nobody_knows_are_left_alone(tmp_path, content, said):
    if content is not None:
        (tmp_path / "secrets.json").write_text(json.dumps(content))
    with pytest.raises(HostError, match=said):
        kept_secrets(tmp_path, {"dc1": "running", "web1": "poweroff", "sql1": "not_created"})


def test_the_guests_serve_one_lab_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with vagrant_guests.one_lab_at_a_time("virtualbox"):
        with pytest.raises(HostError, match="another lab has the Windows guests of virtualbox"), \
                vagrant_guests.one_lab_at_a_time("virtualbox"):
            pass
        with vagrant_guests.one_lab_at_a_time("libvirt"):
            pass
    with vagrant_guests.one_lab_at_a_time("virtualbox"):
        pass


@pytest.mark.parametrize(("content", "said"), [
    (None, "No such file"), ("{", "Expecting"), ('{"realm": "R", "domain": "D"}', "dns: missing; run python -m"),
])
def test_a_topology_file_that_cannot_be_used_names_the_key_and_the_remedy(tmp_path, monkeypatch, content, said):
    path = tmp_path / "machines.json"
    monkeypatch.setattr(vagrant_guests, "DESCRIBED", path)
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said) as raised:
        described()
    assert raised.value.where == str(path) and "vagrant_machines" in str(raised.value)


def test_what_iis_logged_of_a_request():
    """A 401 that asks for credentials, or for the next leg, refuses nobody."""
    def line(status, code, substatus=1):
        told = {"cs-method": "GET", "cs-uri-stem": "/whoami", "sc-status": str(status), "sc-substatus": str(substatus),
                "sc-win32-status": str(code)}
        return request_line(told)["error"]

    codes = {(200, 0): "", (401, 5): "", (401, 0x8009030E): "", (401, 0x8009030C): "SEC_E_LOGON_DENIED",
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


@pytest.fixture
def agent(topology):
    """A web server's operations, and every document that its scripts were called with."""
    called = []
    domain = Domain(topology, lambda operation, **arguments: (operation, arguments), lambda request: {})

    def call(script, document):
        called.append((script, document))
        return Answer({"requests": []}, "2026-11-23T18:00:00Z")

    def operations(role):
        return OPERATIONS[role](Guest("web1", role, call, lambda: "2026-11-23T17:00:00Z", lambda: None), domain)

    return operations, called


def test_a_web_server_is_told_accounts_as_windows_names_them(agent):
    operations, called = agent
    web = operations(Role.FRONT_END)
    web["start"](back_ends={"sql": {"host": "sql1.doublehop.test", "port": 1433}}, address="10.93.0.21", prefix=24)
    web["configure"](config={"sites": {"Portal": {}}}, pages={},
                     accounts={"pool": {"name": "lab-pool", "password": "p", "salt": "s", "kvno": 2}},
                     fixed={"app": {"principal": "lab-app@DOUBLEHOP.TEST", "password": "q"}},
                     managed={"gmsa": {"name": "lab-gmsa$", "dn": "CN=..."}})
    ((script, document),) = called
    assert script == "configure-iis.ps1"
    assert document["accounts"] == {"pool": {"account": "DOUBLEHOP\\lab-pool", "password": "p"},
                                    "gmsa": {"account": "DOUBLEHOP\\lab-gmsa$"}}
    assert document["fixed"] == {"app": {"account": "DOUBLEHOP\\lab-app", "password": "q"}}
    assert document["back_ends"]["sql"].startswith("Data Source=tcp:sql1.doublehop.test,1433;Integrated Security=true")
    web["log"]()
    assert called[-1] == ("collect-evidence.ps1",
                          {"role": "front-end", "since": "2026-11-23T18:00:00Z", "sites": ["Portal"]})


def test_what_is_said_of_the_database_is_said_of_the_account_that_sql_server_runs_as(topology):
    """It has a domain account there, which holds the names, and is no computer's."""
    facts = Principal(trusted_for_delegation=True, principals_allowed_to_delegate_to_account=("web1",))
    there = dataclasses.replace(topology, named=Named(accounts={"sql1": SQL_SERVER}))
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


def test_credential_guard_that_does_not_come_is_told():
    machine = Guarded(3)
    operations = OPERATIONS[Role.CLIENT](Guest("client1", Role.CLIENT, machine.call, str, machine.restart), DOMAIN)
    with pytest.raises(LabError, match="client1: Credential Guard is not on after 2 restarts"):
        operations["set_credential_guard"](on=True)


def test_every_operation_of_a_scenario_about_credential_guard_is_known_to_take_long(agent):
    operations, _ = agent
    assert TAKES_LONGER.keys() <= operations(Role.CLIENT).keys() & operations(Role.FRONT_END).keys()
