"""Provisioning Windows guests without any: who is told what and when, the authority, and what is kept of them."""

import dataclasses
import json
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, InputError, LabError
from doublehop.providers import vagrant_kept, vagrant_machines, vagrant_provision, vagrant_windows
from doublehop.providers.authority import Authority
from doublehop.providers.vagrant_kept import Kept, Mark
from doublehop.providers.vagrant_provision import described
from doublehop.providers.windows_provision import EVERY_SECRET, ROUNDS, Hands, provisioned

MACHINES = ("dc1", "web1", "web2", "sql1", "client1")
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
    domain_sid = ""
    for name in topology.machines:
        domain_sid = provisioned(topology, name, {"dns": "doublehop.test"}, SECRETS,
                                 lambda request: {"certificate": f"signed {request}", "authority": "authority"},
                                 Hands(go_on=machines.go_on, restart=machines.restart), told.append, domain_sid)
    return told


def test_each_machine_gets_what_it_needs(topology):
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
    authority = Authority.founded(tmp_path)
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
        Authority.founded(tmp_path).signed(text or request())


@pytest.fixture
def kept(tmp_path):
    """What is kept of guests that Vagrant has made; nobody has told them anything yet."""
    made = Kept(tmp_path, "virtualbox")
    for name in ("dc1", "web1"):
        path = tmp_path / "machines" / name / "virtualbox"
        path.mkdir(parents=True)
        (path / "id").write_text(f"machine {name}")
    return made


def test_secrets_are_made_with_the_first_guest_that_is_told_one_and_belong_to_their_owner(kept):
    assert kept.known(MACHINES) is None
    made = kept.secrets(MACHINES)
    assert set(made) == {*EVERY_SECRET} and len(set(made.values())) == len(EVERY_SECRET)
    assert stat.S_IMODE((kept.folder / "secrets.json").stat().st_mode) == 0o600
    assert kept.secrets(MACHINES) != made, "nobody was told the first ones"
    made = kept.secrets(MACHINES)
    kept.note("dc1", Mark("machine dc1"))
    assert kept.secrets(MACHINES) == kept.known(MACHINES) == made


def test_what_is_known_of_a_guest_is_not_known_of_another_one_of_its_name(kept):
    mark = Mark("machine dc1", "key", "S-1-5-21-1")
    kept.note("dc1", mark)
    assert (kept.mark("dc1"), kept.mark("web1")) == (mark, None)
    (kept.dotfile / "machines" / "dc1" / "virtualbox" / "id").write_text("another one")
    assert kept.mark("dc1") is None
    assert kept.known(MACHINES) is None, "the one that was told is gone"


def test_vagrants_folder_is_the_checkouts_or_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv(vagrant_kept.DOTFILE, raising=False)
    assert vagrant_kept.dotfile() == LAB.parent / ".vagrant"
    monkeypatch.setenv(vagrant_kept.DOTFILE, "elsewhere")
    assert vagrant_kept.dotfile() == LAB.parent / "elsewhere"
    monkeypatch.setenv(vagrant_kept.DOTFILE, str(tmp_path))
    assert vagrant_kept.dotfile() == tmp_path
    monkeypatch.delenv(vagrant_kept.DOTFILE)
    monkeypatch.setattr(vagrant_kept, "CHECKOUT", False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert vagrant_kept.dotfile() == tmp_path / "doublehop" / "vagrant" / "guests"


class Vagrants:
    """Guests that Vagrant has, as far as provisioning sees them."""

    def __init__(self, monkeypatch, **needs):
        self.machines = Machines(**needs)
        monkeypatch.setattr(vagrant_provision, "guests_of", lambda kept: self)
        self.go_on, self.restart, self.waited = self.machines.go_on, self.machines.restart, []

    def wait_for(self, name):
        self.waited.append(name)

    @property
    def asked(self):
        """Which guests' scripts ran since the last time."""
        asked = [name for name, _ in self.machines.done]
        self.machines.done.clear()
        return asked


def provision(kept, topology, *names, again=False):
    vagrant_provision.provision(kept, topology, names, lambda text: None, again=again)


def test_only_what_is_not_done_yet_is_done_and_the_domain_controller_before_it(monkeypatch, kept, topology):
    guests = Vagrants(monkeypatch)
    provision(kept, topology, "web1")
    assert guests.asked == ["dc1", "web1"]
    provision(kept, topology, "web1", "dc1")
    assert guests.asked == []
    provision(kept, topology, "web1", again=True)
    told = guests.machines.done[0][1]
    assert guests.asked == ["web1"]
    assert told["domain_sid"] == "S-1-5-21-1-2-3", "as the domain controller said when it was provisioned"


def test_a_run_that_was_cut_short_is_gone_on_with(monkeypatch, kept, topology):
    guests = Vagrants(monkeypatch, web1=["a cup of tea"])
    with pytest.raises(LabError, match="a cup of tea"):
        provision(kept, topology, "dc1", "web1")
    secrets = kept.known(MACHINES)
    assert guests.asked == ["dc1", "web1"]
    provision(kept, topology, "dc1", "web1")
    assert (guests.asked, kept.known(MACHINES)) == (["web1"], secrets)


def test_another_checkout_provisions_again(monkeypatch, kept, topology):
    guests = Vagrants(monkeypatch)
    provision(kept, topology, "dc1", "web1")
    monkeypatch.setattr(vagrant_provision, "files", lambda: {"windows/rename.ps1": "changed"})
    assert guests.asked == ["dc1", "web1"]
    provision(kept, topology, "dc1", "web1")
    assert guests.asked == ["dc1", "web1"]


def test_a_member_of_a_domain_that_is_gone_says_so(monkeypatch, kept, topology):
    guests = Vagrants(monkeypatch)
    provision(kept, topology, "dc1", "web1")
    (kept.dotfile / "machines" / "dc1" / "virtualbox" / "id").write_text("another one")
    go_on = guests.go_on
    monkeypatch.setattr(guests, "go_on", lambda name, document: {**go_on(name, document), "domain_sid": "S-1-5-21-9"})
    assert guests.asked == ["dc1", "web1"]
    with pytest.raises(HostError, match="web1 belongs to a domain that went with its controller; run `vagrant"):
        provision(kept, topology, "web1")
    assert guests.asked == ["dc1"]


def test_a_guest_that_is_not_up_says_so(monkeypatch, kept, topology):
    guests = Vagrants(monkeypatch)
    with pytest.raises(HostError, match="sql1 is not up: run `vagrant up --provider=virtualbox sql1`"):
        provision(kept, topology, "sql1")
    assert guests.asked == ["dc1"]


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
    monkeypatch.setattr(vagrant_provision, "OPTIONS", tmp_path / "options.json")
    monkeypatch.delenv(vagrant_provision.SQL_OPTION, raising=False)
    if variable:
        monkeypatch.setenv(vagrant_provision.SQL_OPTION, variable)
    if file:
        vagrant_provision.OPTIONS.write_text(json.dumps({vagrant_provision.SQL_OPTION: file}))
    plain = described()
    assert vagrant_provision.with_options(plain) == {**plain, "windows": {**plain["windows"], "sql": edition}}


@pytest.mark.parametrize("content", ["{", "[]", b"\xff"])
def test_a_damaged_file_of_options_is_named_with_what_helps(tmp_path, monkeypatch, content):
    path = tmp_path / "options.json"
    monkeypatch.setattr(vagrant_provision, "OPTIONS", path)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match="; write one object of options, or remove it") as raised:
        vagrant_provision.with_options(described())
    assert raised.value.where == str(path)


@pytest.mark.parametrize(("content", "said"), [
    (None, "WinRM credential missing: dc1, web1 were told secrets, but FILE is not there; REMEDY"),
    ('{"administrator": "x", "dsrm": ""}', "WinRM credential missing: FILE has no dsrm, sql_service; REMEDY"),
    ("{", "FILE cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)): REMEDY"),
    ("[]", "FILE is no JSON object: REMEDY"),
])
def test_guests_whose_secrets_nobody_knows_are_left_alone(kept, content, said):
    for name in ("dc1", "web1"):
        kept.note(name, Mark(f"machine {name}"))
    path = kept.folder / "secrets.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(HostError) as raised:
        kept.secrets(MACHINES)
    remedy = f"put it back, or run `VAGRANT_DOTFILE_PATH={kept.dotfile} vagrant destroy` and begin anew"
    assert str(raised.value) == said.replace("FILE", str(path)).replace("REMEDY", remedy)
    assert path.exists() == (content is not None)


@pytest.mark.parametrize(("content", "said"), [
    ("{", "cannot be read (Expecting property name"), ("[]", "is no JSON object"), ("{}", "is no mark of a guest"),
])
def test_a_damaged_mark_is_named_with_what_helps(kept, content, said):
    """Without its mark, a guest would be told other secrets than it has."""
    path = kept.folder / "dc1.mark"
    path.write_text(content)
    with pytest.raises(HostError) as raised:
        kept.secrets(MACHINES)
    remedy = f"run `VAGRANT_DOTFILE_PATH={kept.dotfile} vagrant destroy dc1` and begin anew with {path} removed"
    assert str(raised.value).startswith(f"{path} {said}")
    assert str(raised.value).endswith(f": put it back, or {remedy}")
    (kept.dotfile / "machines" / "dc1" / "virtualbox" / "id").unlink()
    assert kept.mark("dc1") is None, "as soon as that guest is gone"


def test_the_guests_serve_one_lab_at_a_time(kept):
    with kept.one_at_a_time():
        with pytest.raises(HostError, match="another lab has the Windows guests of virtualbox"), kept.one_at_a_time():
            pass
        with dataclasses.replace(kept, kind="libvirt").one_at_a_time():
            pass
    with kept.one_at_a_time():
        pass


@pytest.mark.parametrize(("content", "said"), [
    (None, "No such file"), ("{", "Expecting"), ("[]", "expected a JSON object"), ("{}", "realm: missing"),
])
def test_a_topology_file_that_cannot_be_used_says_so_with_the_remedy(tmp_path, monkeypatch, content, said):
    path = tmp_path / "machines.json"
    monkeypatch.setattr(vagrant_provision, "DESCRIBED", path)
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"{said}.*; run python -m doublehop.providers.vagrant_machines >") as raised:
        described()
    assert raised.value.where == str(path)


def places(value, path=""):
    """Each place in a JSON document: its path, what holds it, and its key or number there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, each in inside:
        own = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".removeprefix(".")
        yield own, value, key
        yield from places(each, own)


def test_whatever_a_topology_file_lacks_is_named_by_its_path(topology):
    """Of a list, what is missing is the last: the others move up."""
    made = json.loads(vagrant_machines.written(topology))
    assert vagrant_machines.misshapen(made, topology) == ""
    every = list(places(made))
    assert {"windows.sql", "machines[3].spns[1]", "windows.guests.client1.version"} < {path for path, _, _ in every}
    for path, holder, key in every:
        if isinstance(holder, dict):
            before = dict(holder)
            del holder[key]
            assert vagrant_machines.misshapen(made, topology) == f"{path}: missing"
            holder.clear()
            holder.update(before)
        elif key == len(holder) - 1:
            last = holder.pop()
            assert vagrant_machines.misshapen(made, topology) == f"{path}: missing"
            holder.append(last)


@pytest.mark.parametrize(("change", "said"), [
    (lambda made: made["windows"].update(sql=5), "windows.sql: expected text"),
    (lambda made: made["windows"]["guests"]["dc1"].update(memory="2048"),
     "windows.guests.dc1.memory: expected a whole number"),
    (lambda made: made.update(machines={}), "machines: expected a list"),
    (lambda made: made.update(windows=[]), "windows: expected an object"),
    (lambda made: made["machines"][0].update(realm="X"), "machines[0].realm: nobody knows this key"),
    (lambda made: made["windows"].update(server="2019"), ""),
])
def test_what_else_a_topology_file_has_is_named_by_its_path(topology, change, said):
    made = json.loads(vagrant_machines.written(topology))
    change(made)
    assert vagrant_machines.misshapen(made, topology) == said


def test_the_kinds_of_values_of_the_topology_file_all_have_words(topology):
    made = json.loads(vagrant_machines.written(topology))
    assert {type(holder[key]) for _, holder, key in places(made)} <= set(vagrant_machines.KINDS)
