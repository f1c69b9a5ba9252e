"""The fixtures for people's own tests, used as the documentation says."""

import pytest

from doublehop.errors import InputError
from doublehop.model import ClientProfile, Principal, Zone
from tests.lab.portal import portal_site

PORTAL = portal_site(impersonate=True)


@pytest.fixture
def portal(directory, front_end, sql):
    """A page of a pool with KCD to the database."""
    directory.add(names={"portal": "A web1"})
    directory.add(
        users={"bob": Principal()},
        accounts={"pool": Principal(spns=("HTTP/{portal}",), allowed_to_delegate_to=("MSSQLSvc/{sql1}",))},
    )
    front_end.configure(PORTAL)
    sql.add_login("bob")
    return "http://{portal}/whoami?back_ends=sql"


def test_a_users_own_test_reads_like_this(portal, client, directory):
    answer = client.get(portal, user="bob")
    assert answer.client.status == 200
    assert answer.page["scheme"] == "Kerberos"
    assert answer.page["back_ends"]["sql"]["login"] == directory.account("bob")


def test_the_internet_zone_sends_no_credentials(portal, client, front_end):
    answer = client.get(portal, user="bob", profile=ClientProfile(zone=Zone.INTERNET))
    assert answer.client.status == 401
    assert answer.client.handshakes == 0
    assert [each["status"] for each in front_end.log()] == [401]


def test_a_profile_that_is_nobodys_is_refused(portal, client):
    with pytest.raises(InputError, match="expected only with program"):
        client.get(portal, user="bob", profile=ClientProfile(http2=True))


def test_what_a_test_added_is_gone_after_it(lab, directory):
    assert not lab.client.ask("read", dn=f"CN=Users,{lab.topology.base_dn}", attributes=["member"])["member"]
    directory.add(users={"carol": Principal(account_not_delegated=True)}, accounts={
        "own": Principal(full_control=("carol",))})
    assert _flags(directory, "carol") & 0x100000
    assert _flags(directory, "own")
    directory._bench.undo.close()
    assert not _flags(directory, "carol") & 0x100000, "the account stays, and what was said of it does not"
    with pytest.raises(Exception, match="noSuchObject"):
        _flags(directory, "own")


def _flags(directory, label):
    return int(directory.read(label, "userAccountControl")["userAccountControl"][0])


def test_hosts_are_testinfra_hosts(front_end, client, sql):
    assert front_end.host().file("/etc/hostname").content_string == "web1\n"
    assert client.host.exists("kinit")
    assert sql.host.process.filter(comm="postgres")
