"""What was refused is granted at once when it is allowed, and the other way round: nothing remembers an answer.

Windows keeps failed S4U requests and unknown SPNs for 15 minutes (rows A-29, C-33); MIT Kerberos and the
reference front end keep neither, and a lab in which they did would judge the configuration before this one.
"""

import pytest

from doublehop import directory as changes
from doublehop.model import Principal
from tests.lab.portal import portal_site

PORTAL = portal_site(impersonate=True)
LIST, SPNS = "msDS-AllowedToDelegateTo", "servicePrincipalName"
BACK_END, SPN = "MSSQLSvc/{sql1}", "HTTP/{portal}"


@pytest.fixture
def ask(lab, directory, front_end, sql, client):
    """Ask for the page as one and the same user, from one front end that is configured once."""
    directory.add(names={"portal": "A web1"})
    directory.add(users={"bob": Principal()},
                  accounts={"pool": Principal(spns=(SPN,), allowed_to_delegate_to=(BACK_END,))})
    front_end.configure(PORTAL)
    sql.add_login("bob")
    return lambda: client.get("http://{portal}/whoami?back_ends=sql", user="bob")


@pytest.fixture
def give(lab, directory):
    """Give the pool's account this one value of an attribute, or none."""

    def give(attribute, *values):
        bench = directory._bench
        lab.change([changes.modify(bench.scope.dn("pool"), "replace", attribute,
                                   [bench.scope.fill(each) for each in values])])

    return give


def test_a_right_to_delegate_is_granted_revoked_and_granted_again(ask, give, directory):
    for granted in (True, False, True, False, True):
        give(LIST, *([BACK_END] if granted else []))
        answer = ask().page["back_ends"]["sql"]
        assert answer.get("login", "") == (directory.account("bob") if granted else "")
        assert answer.get("error", "") == ("" if granted else "KDC_ERR_BADOPTION")


def test_an_spn_is_registered_deleted_and_registered_again(ask, give):
    for registered in (True, False, True, False, True):
        give(SPNS, *([SPN] if registered else []))
        answer = ask()
        seen = (answer.page["scheme"], answer.client.error)
        assert seen == (("Kerberos", "") if registered else ("NTLM", "KDC_ERR_S_PRINCIPAL_UNKNOWN"))
