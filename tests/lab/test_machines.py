"""The machines themselves: who they are, what they keep secret, and that nobody reaches them from outside."""

import ipaddress
import json
import os

import pytest

from doublehop.hosts import host_of
from doublehop.model import Role
from doublehop.run import run


@pytest.fixture
def host(lab):
    """A machine of the lab as a testinfra host."""
    return lambda name: host_of(lab.machines[name])


def address_of_dc(lab):
    return str(lab.topology.machines[lab.topology.only(Role.DOMAIN_CONTROLLER)].address)


def test_every_machine_has_its_own_name_and_address(lab, host):
    for name, spec in lab.topology.machines.items():
        machine = host(name)
        assert machine.check_output("hostname") == name
        assert machine.check_output("hostname -I").split() == [str(spec.address)]
        assert f"nameserver {address_of_dc(lab)}" in machine.file("/etc/resolv.conf").content_string


def test_machines_have_their_own_process_tables(host):
    assert "samba" in host("dc1").check_output("ps -eo comm")
    assert "samba" not in host("web1").check_output("ps -eo comm")


def test_the_lab_has_no_link_to_the_host(lab):
    """Nothing is sent: the host has no address in the lab's network, and the switch has cables to machines only."""
    own = run(["ip", "-json", "address"]).check().stdout
    addresses = [ipaddress.ip_address(each["local"]) for link in json.loads(own) for each in link["addr_info"]]
    assert not [each for each in addresses if each in lab.topology.network]
    host_network = os.readlink("/proc/self/ns/net")
    for name, machine in lab.machines.items():
        assert machine.run("readlink", "/proc/self/ns/net").stdout.strip() != host_network, name
        links = json.loads(machine.run("ip", "-json", "link").check().stdout)
        assert sorted(each["ifname"] for each in links) == ["eth0", "lo"], name


def test_a_machine_cannot_reach_the_outside(host):
    assert host("client1").run("ip route get 192.0.2.1").rc != 0
    assert host("client1").check_output("ip -o link show up | wc -l") == "2"


def test_no_machine_changes_the_image(lab, host):
    touched = host("web1").run("touch /usr/bin/x")
    assert touched.rc != 0 or lab.provider != "local", "a local machine writes nowhere, a container into its own layer"
    assert not host("web2").file("/usr/bin/x").exists


@pytest.mark.parametrize("machine", ["dc1", "web1", "web2", "sql1", "client1"])
def test_secrets_are_for_their_owner_only(host, machine):
    readable = host(machine).check_output(
        "find /run /state /tmp -type f \\( -name '*keytab*' -o -name '*ccache*' -o -name 'krb5cc*' -o -name 'secrets.*'"
        " -o -path '/run/ccaches/*' \\) -perm /077"
    )
    assert readable == ""
    keys = "find /run /state /tmp -type f -name '*.pem' -perm /077 -exec grep -l 'PRIVATE KEY' {} +"
    assert host(machine).run(keys).stdout == "", "a certificate is for everybody, its key is not"


def test_no_password_is_in_a_process_argument_or_environment(lab, host):
    passwords = [each.password for each in lab.secrets.values()]
    assert len(passwords) >= 4
    for name in lab.machines:
        text = host(name).run("cat /proc/*/cmdline /proc/*/environ").stdout
        assert not [each for each in passwords if each in text], name


def test_no_password_is_in_a_log_or_in_the_labs_own_words(lab, host):
    text = repr(lab) + "".join(host("dc1").run("cat /var/log/samba/samba.log").stdout)
    text += "".join(line for agent in lab.agents.values() for line in agent.log())
    assert not [each.account for each in lab.secrets.values() if each.password in text]


def test_the_domain_controller_serves_what_members_need(lab, host):
    dc = lab.topology.only(Role.DOMAIN_CONTROLLER)
    listening = host(dc).check_output("ss -ltnH | awk '{print $4}'")
    for port in (53, 88, 135, 389, 464, 636):
        assert f"{address_of_dc(lab)}:{port}\n" in listening + "\n"


def test_no_machine_listens_where_its_own_connections_begin(lab, host):
    """Such a port may still be a connection's when a service is started anew, and Samba then ends at once."""
    for name in lab.machines:
        first, last = map(int, host(name).file("/proc/sys/net/ipv4/ip_local_port_range").content_string.split())
        listening = host(name).check_output("ss -Htln").splitlines()
        ports = {int(each.split()[3].rpartition(":")[2]) for each in listening}
        assert ports or name == "client1", name
        assert not [each for each in sorted(ports) if first <= each <= last], name


def test_no_account_of_a_lab_has_the_snapshots_key(lab, host):
    """The domain comes from one snapshot; its keys do not, krbtgt's and the domain controller's own included."""
    def keys(state):
        found = host(lab.topology.only(Role.DOMAIN_CONTROLLER)).check_output(
            f"umask 077; cp '{state}/private/sam.ldb.d/{lab.topology.base_dn.upper()}.ldb' /tmp/partition.ldb"
            " && ldbsearch -H tdb:///tmp/partition.ldb '(unicodePwd=*)' sAMAccountName unicodePwd"
            " supplementalCredentials"
            " && rm /tmp/partition.ldb")
        entries = [dict(line.split(": ", 1) for line in entry.replace("\n ", "").splitlines() if ": " in line)
                   for entry in found.split("\n\n")]
        return {each["sAMAccountName"]: (each["unicodePwd:"], each["supplementalCredentials:"])
                for each in entries if "sAMAccountName" in each}

    first, own = keys("/snapshot"), keys("/state")
    assert {"krbtgt", "Administrator", "DC1$", "WEB1$"} < first.keys() <= own.keys()
    assert not [name for name, (nt_hash, others) in first.items() if nt_hash == own[name][0] or others == own[name][1]]
    passwords = {each.password for each in lab.secrets.values()}
    assert len(passwords) == len(lab.secrets)


def test_the_domain_controller_knows_its_own_new_password(lab, host):
    """What Samba keeps of its own account, the directory's key and the keytab, are one password's."""
    dc = host(lab.topology.only(Role.DOMAIN_CONTROLLER))
    sign_in = "KRB5CCNAME=MEMORY: kinit -k -t /state/private/secrets.keytab 'DC1$'"
    assert dc.run(sign_in).rc == 0
    assert dc.run(sign_in.replace("/state", "/snapshot")).rc != 0, "the snapshot's is nobody's any more"


ASK_NETLOGON = """
from samba.credentials import Credentials
from samba.dcerpc import nbt, netlogon
from samba.net import Net
from samba.param import LoadParm
nobody, parameters = Credentials(), LoadParm()
nobody.set_anonymous()
print(Net(nobody, parameters).finddc(address="ADDRESS", flags=nbt.NBT_SERVER_DS).dns_domain)
rpc = netlogon.netlogon("ncacn_ip_tcp:ADDRESS", parameters, nobody)
print(rpc.netr_DsRGetDCNameEx2("dc1", None, 0, None, None, None, 0).domain_name)
"""


def test_members_find_the_domain_through_netlogon(lab):
    """By the LDAP ping that Windows sends first, and by the RPC service itself."""
    program = ASK_NETLOGON.replace("ADDRESS", address_of_dc(lab))
    found = lab.machines["web1"].run("python3", "-c", program).check().stdout.split()
    assert found == ["doublehop.test", "DOUBLEHOP"]
