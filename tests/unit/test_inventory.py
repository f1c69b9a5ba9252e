"""Inventories are read strictly, and nothing of an environment that is not said is made up."""

from pathlib import Path

import pytest

from doublehop import inventory
from doublehop.errors import InputError
from doublehop.inventory_file import load
from doublehop.model import Given
from doublehop.scope import scope_of
from tests.existing.standing import FRONT_END, INVENTORY

ROOT = Path(__file__).parents[2]
TEXT = INVENTORY.format(portal="intranet.corp.example", front_end=FRONT_END, log="")


@pytest.fixture
def written(tmp_path, topology):
    """An inventory with texts changed, as it is read."""
    (tmp_path / "ca.pem").touch()

    def read(*changes):
        text = TEXT
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / "inventory.toml"
        path.write_text(text)
        return load(path, topology)

    return read


WRONG = [
    pytest.param([('kdc = "dc1.doublehop.test"', "")], "domain.kdc: this key is missing", id="missing key"),
    pytest.param([("[domain]", "[domain]\nkcd = 1")], "domain.kcd: unexpected key", id="unknown key"),
    pytest.param([("[reader]", "[raeder]")], "raeder: unexpected key", id="unknown table"),
    pytest.param([('role = "user"', 'role = "user"\npassword = "x"')],
                 "accounts.alice.password: a password is never read from a file", id="password in the file"),
    pytest.param([('role = "user"', 'role = "admin"')], "accounts.alice.role: ", id="unknown role"),
    pytest.param([('ldap_ca = "ca.pem"', "")], "domain.ldap_ca: this key is missing", id="no authority"),
    pytest.param([('"ca.pem"', '"nowhere.pem"')], "domain.ldap_ca: no file ", id="missing file"),
    pytest.param([("[machines.web2]", "[machines.web9]")], "machines.web9: scenarios know the machines", id="machine"),
    pytest.param([('userName = "pool"', 'userName = "pol"')],
                 "front_ends.web1.applicationPools.Reports.userName: pol is not in accounts", id="account of a pool"),
    pytest.param([('"*:80:{portal}"', '"*:80:{protal}"')],
                 "front_ends.web1.sites.Reports.bindings: {protal} is not in names", id="name"),
    pytest.param([('"*:80:{portal}"', '"80"')], "front_ends.web1.sites.Reports.bindings: expected address",
                 id="binding"),
    pytest.param([('"pool", "web1"', '"pol", "web1"')], "back_ends.sql.logins: pol is not in accounts", id="login"),
    pytest.param([('role = "service"', 'role = "service"\nstated = {}')], "accounts.pool.stated: the directory is read",
                 id="stated beside a directory"),
    pytest.param([("[domain]", "[domain")], "not TOML: ", id="not TOML"),
]


@pytest.mark.parametrize(("changes", "text"), WRONG)
def test_a_wrong_inventory_names_file_and_key(written, changes, text):
    with pytest.raises(InputError) as refusal:
        written(*changes)
    assert f"inventory.toml: {text}" in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path, topology):
    with pytest.raises(InputError, match=r"nowhere\.toml: cannot be read \(No such file or directory\)"):
        load(tmp_path / "nowhere.toml", topology)


def test_real_names_stand_for_the_labels_of_scenarios(written, topology):
    given = Given(names={"portal": "A web1"}, accounts={})
    scope = scope_of("any::one", given, inventory.topology(written(), topology))
    assert scope.fill("HTTP/{portal}") == "HTTP/intranet.corp.example"
    assert scope.principal("alice") == "lab-alice@DOUBLEHOP.TEST"
    assert scope.label("LAB-ALICE@DOUBLEHOP.TEST") == "alice"
    assert scope.label("WEB1$@DOUBLEHOP.TEST") == "web1$"
    assert scope.label("somebody@DOUBLEHOP.TEST") == "somebody"


def test_a_machine_of_another_name_is_known_by_its_label(written, topology):
    stands = inventory.topology(written(('"WEB1$"', '"IISPROD01$"'), ('"web1.doublehop.test"', '"iis.corp.example"')),
                                topology)
    scope = scope_of("any::one", Given(), stands)
    assert scope.label("IISPROD01$@DOUBLEHOP.TEST") == "web1$"
    assert scope.host("web1") == "iis.corp.example"
    assert scope.fill("{web1.netbios}") == "IIS"


def test_no_address_of_the_lab_stands_for_one_that_is_not_said(written, topology):
    stands = inventory.topology(written(), topology)
    assert not {str(each.address) for each in stands.machines.values()} & {
        str(each.address) for each in topology.machines.values()}


def test_the_example_is_a_whole_inventory(tmp_path, topology):
    (tmp_path / "corp-ca.pem").touch()
    path = tmp_path / "inventory.toml"
    path.write_text((ROOT / "docs" / "examples" / "inventory.toml").read_text())
    assert inventory.accounts(load(path, topology))["pool"] == "svc-intranet"
