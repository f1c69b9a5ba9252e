"""A front end and a domain controller of another make: Apache with mod_auth_gssapi, and MIT's KDC."""

import pytest

from doublehop.model import VerdictKind
from tests.existing import other_make


@pytest.fixture(scope="module")
def root():
    """The root filesystem; nothing when it could not be made."""
    try:
        return other_make.image(), ""
    except RuntimeError as failure:
        return None, str(failure)


@pytest.fixture
def apache(root, not_run, tmp_path):
    """The environment. Without its packages a test is not run, by name (decision 2)."""
    path, problem = root
    if path is None:
        reason = "an image with Debian's libapache2-mod-auth-gssapi could not be made"
        not_run(f"{reason}: {problem}")
    with other_make.standing(path, tmp_path) as there:
        yield there


def lines(done):
    """The verdicts: of the site that is trusted, of its other page, and of the site that is not trusted."""
    found = {}
    for each in done.stdout.splitlines():
        for verdict in VerdictKind:
            if each.startswith(f"{verdict} ") and "apache::" in each:
                found[each.split("apache::")[1].split()[0]] = str(verdict)
    assert found.keys() == {"trusted", "another-page", "not-trusted"}, done.stdout + done.stderr
    return tuple(found.values())


def test_before_and_after_a_patch_of_another_kdc(apache):
    trusted = apache.visit()
    assert lines(trusted) == ("agreed", "broken", "not run"), trusted.stdout
    assert "alice: 200 Kerberos Delegate | sql sees alice" in trusted.stdout
    assert "account pool: trusted_for_delegation is yes by the inventory, the scenario gives no" in trusted.stdout
    assert "8080/plain?back_ends=sql is not the page that scenarios ask for: it is no JSON" in trusted.stdout
    assert "taken from the inventory: " in trusted.stdout
    assert "SPN http/portal.other.test" in trusted.stdout, "no directory told who holds it"

    apache.administer("modprinc -ok_as_delegate HTTP/portal.other.test")
    patched = apache.visit()
    assert lines(patched) == ("not run", "broken", "not run")
    assert "HTTP/portal.other.test is not ok_as_delegate, the inventory states otherwise (account" in patched.stdout

    restated = apache.visit(("trusted_for_delegation = true", "trusted_for_delegation = false"))
    assert lines(restated) == ("not run", "not run", "agreed"), restated.stdout
    assert "alice: 200 Kerberos Impersonate | sql: KDC_ERR_BADOPTION" in restated.stdout


def test_what_it_offers_and_who_it_runs_as_are_seen(apache):
    offers = apache.visit(('providers = ["Negotiate"]', 'providers = ["Negotiate", "NTLM"]'))
    assert "providers is Negotiate NTLM by the inventory, the scenario gives Negotiate" in offers.stdout
    another = apache.visit(('account = "HTTP/portal.other.test"', 'account = "svc-portal"'))
    assert "the page says that its pool runs as HTTP/portal.other.test@OTHER.TEST, the inventory states pool" in (
        another.stdout)


def test_what_is_neither_seen_nor_stated_is_named(apache):
    unstated = apache.visit(("stated = {}\n", ""))
    assert lines(unstated) == ("not run", "not run", "not run")
    assert "account alice: account_not_delegated is neither seen nor stated, the scenario gives no" in unstated.stdout


def test_a_kdc_without_the_user_is_one_sentence(apache):
    apache.administer("delprinc -force alice")
    done = apache.visit()
    assert done.returncode == 2
    assert "accounts.alice: alice@OTHER.TEST cannot sign in: the domain has no such account" in done.stderr
