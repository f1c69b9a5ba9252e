"""The topology file: what it gives, and what is refused with file and key."""

import ipaddress

import pytest

from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import InputError
from doublehop.model import Role

SHIPPED = (LAB / "topology.toml").read_text()


def test_the_shipped_topology_loads(topology):
    assert topology.realm == "DOUBLEHOP.TEST"
    assert topology.dns == "doublehop.test"
    assert topology.base_dn == "DC=DOUBLEHOP,DC=TEST"
    assert {role: topology.of(role) for role in Role} == {
        Role.DOMAIN_CONTROLLER: ["dc1"], Role.FRONT_END: ["web1", "web2"], Role.BACK_END: ["sql1"],
        Role.CLIENT: ["client1"],
    }
    assert topology.members == ["web1", "web2", "sql1"]
    assert topology.only(Role.FRONT_END) == "web1"
    assert topology.fqdn("web1") == "web1.doublehop.test"


def test_every_configuration_file_is_filled_in(topology):
    files = {**topology.files_for("web1"), "smb.conf": topology.smb_conf()}
    assert not [path for path, content in files.items() if "$" in content]
    assert files["/etc/hostname"] == "web1\n"
    assert "kdc = 10.93.0.10\n" in files["/etc/krb5.conf"]
    assert files["/etc/resolv.conf"].startswith("nameserver 10.93.0.10\nsearch doublehop.test\n")
    assert "netbios name = DC1\n" in files["smb.conf"]


def test_each_domain_is_the_others_partner(topology):
    across = topology.across
    assert (across.realm, across.dns, list(across.machines)) == ("PARTNER.TEST", "partner.test", ["dc2", "sql2"])
    assert (across.partner.realm, across.partner.machines) == (topology.realm, topology.machines)
    assert across.across == topology


@pytest.mark.parametrize("machine", ["web1", "client1"])
def test_a_machine_finds_the_kdcs_of_both_domains(topology, machine):
    krb5 = topology.files_for(machine)["/etc/krb5.conf"]
    assert "default_realm = DOUBLEHOP.TEST\n" in krb5
    assert "    PARTNER.TEST = {\n        kdc = 10.93.0.12\n" in krb5
    assert "    .partner.test = PARTNER.TEST\n" in krb5


def test_a_machine_knows_itself_and_the_domain_controller_without_dns(topology):
    assert topology.files_for("web1")["/etc/hosts"].splitlines() == [
        "127.0.0.1 localhost", "10.93.0.10 dc1.doublehop.test dc1", "10.93.0.21 web1.doublehop.test web1",
        "10.93.0.12 dc2.partner.test", "10.93.0.32 sql2.partner.test",
    ]


def test_a_client_forwards_only_where_the_kdc_says_so(topology):
    """MIT forwards to anyone by default; a Windows client does not."""
    assert "enforce_ok_as_delegate = true\n" in topology.files_for("client1")["/etc/krb5.conf"]


REFUSED = {
    "unknown key": ('realm =', 'relm = ""\nrealm =', "relm: Unexpected keyword argument"),
    "missing key": ('domain = "DOUBLEHOP"', "", "domain: Field required"),
    "bad role": ('"front-end"', '"frontend"', "machines.web1.role: Input should be 'domain-controller', 'front-end'"),
    "bad address": ('"10.93.0.21"', '"10.93.0"', "machines.web1.address: Input is not a valid IPv4 address"),
    "bad network": ('"10.93.0.0/24"', '"10.93.0.7/24"', "network: Input is not a valid IPv4 network"),
    "duplicate address": ('"10.93.0.22"', '"10.93.0.21"', "machines.web2.address: web1 has it already"),
    "foreign address": ('"10.93.0.22"', '"10.94.0.22"', "machines.web2.address: expected one inside 10.93.0.0/24"),
    "no client": ('role = "client"', 'role = "front-end"', "machines: expected at least one with role 'client'"),
    "partner without database": ('[partner.machines.sql2]\nrole = "back-end"',
                                 '[partner.machines.sql2]\nrole = "front-end"',
                                 "partner.machines: expected one with role 'back-end'"),
    "partner at a taken address": ('"10.93.0.32"', '"10.93.0.31"',
                                   "partner.machines.sql2.address: sql1 has it already"),
    "partner with a taken name": ("[partner.machines.sql2]", "[partner.machines.sql1]",
                                  "partner.machines.sql1: a machine of the other domain has this name already"),
    "no image": ('[image]', "[machines.image]", "image: Field required"),
    "bad syntax": ('[image]', "[image", "(at line 9, column 7)"),
}


@pytest.mark.parametrize(("old", "new", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_topology_is_refused(tmp_path, old, new, problem):
    assert old in SHIPPED
    path = tmp_path / "topology.toml"
    path.write_text(SHIPPED.replace(old, new, 1))
    with pytest.raises(InputError) as refusal:
        topologies.load(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert problem in refusal.value.problem


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["missing", "not text"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "topology.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"topology\.toml: .*(No such file|can't decode)"):
        topologies.load(path)


def test_addresses_are_addresses(topology):
    assert topology.machines["dc1"].address == ipaddress.IPv4Address("10.93.0.10")
