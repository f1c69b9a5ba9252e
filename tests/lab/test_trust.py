"""The second domain: what it keeps secret, and that nobody is taken for their namesake on the other side."""

import pytest

from doublehop import directory, partner
from doublehop.lab import new_password
from doublehop.model import Domain, Given, Principal
from doublehop.scope import scope_of

ASK = "select principal from pg_stat_gssapi where pid = pg_backend_pid()"


@pytest.fixture
def both(lab):
    """The lab with its second domain."""
    partner.bring_up(lab)
    return lab


@pytest.fixture
def carol(both):
    """A user of the partner's domain who signed in at the client, with a login by each of two names."""
    given = Given(users={"carol": Principal(domain=Domain.PARTNER)}, front_ends={})
    scope = scope_of("tests/lab/test_trust.py", given, both.topology)
    password = new_password()
    undo = both.change(directory.plan(scope, {"carol": password}))
    logins = [scope.account("carol"), scope.login("carol")]
    for each in both.databases:
        each.ask("set_logins", add=logins, remove=[])
    assert both.client.ask("sign_in", principal=scope.principal("carol"), password=password) == ""
    yield scope.account("carol")
    both.client.ask("sign_out", principal=scope.principal("carol"))
    for each in both.databases:
        each.ask("set_logins", add=[], remove=logins)
    both.change(undo)


def test_it_comes_up_once(both):
    before = dict(both.machines)
    partner.bring_up(both)
    assert both.machines == before
    assert set(both.machines) == {*both.topology.machines, *both.topology.partner.machines}


@pytest.mark.parametrize("database", ["sql1.doublehop.test", "sql2.partner.test"])
def test_a_user_of_the_other_domain_is_nobodys_namesake(both, carol, database):
    def ask(login):
        return both.machines["client1"].run(
            "env", f"KRB5CCNAME=FILE:/run/ccaches/{carol}@PARTNER.TEST", "psql", "--no-psqlrc", "-At", "-c", ASK,
            f"host={database} port=1433 dbname=postgres user='{login}' krbsrvname=MSSQLSvc require_auth=gss")

    assert ask(f"{carol}@PARTNER.TEST").check().stdout.strip() == f"{carol}@PARTNER.TEST"
    refused = ask(carol)
    assert refused.code != 0
    assert "GSSAPI authentication failed" in refused.stderr


@pytest.mark.parametrize("machine", ["dc2", "sql2"])
def test_its_secrets_are_for_their_owner_only(both, machine):
    readable = both.machines[machine].run(
        "find", "/run", "/state", "/tmp", "-type", "f", "(", "-name", "*keytab*", "-o", "-name", "secrets.*", "-o",
        "-name", "*.ldb", ")", "-perm", "/077").check()
    assert readable.stdout == ""


def test_each_lab_has_its_own_trust(both):
    """The directory says who is trusted, and shows nobody with what."""
    told = {name: both.machines[name].run("ldbsearch", "-H", "/state/private/sam.ldb", "(objectClass=trustedDomain)")
            .check().stdout for name in ("dc1", "dc2")}
    assert "trustPartner: partner.test\n" in told["dc1"]
    assert "trustPartner: doublehop.test\n" in told["dc2"]
    assert "trustAuth" not in "".join(told.values())
