"""Whatever a lab holds is seen to hold by who comes from outside with nothing but an inventory of it.

The lab is brought into a scenario's configuration here; the visit is another process in the client's network. An
inventory says of the front ends what the scenario gives, as those who run them would; all else is looked up.
"""

import subprocess

import pytest

from doublehop import catalogue, providers
from doublehop import topology as topologies
from doublehop.directory import unicode_password
from doublehop.execute import applied
from doublehop.generated import as_toml
from doublehop.lab import new_password
from doublehop.model import Role, VerdictKind
from doublehop.session import Session
from tests.existing.standing import CA, KDC_LOG, USERS, Standing, ends

AUTHORITY = "/run/authority.pem"
IDS = [
    "cname::canonical-name-registered", "cname::only-cname-registered", "rbcd::several-named", "gmsa::constrained",
    "chain::listed-on-both-hops", "ntlm::any-protocol", "protocol-transition::another-user", "groups::fewer-groups",
    "tls::require-bound", "encryption::rc4-account", "duplicates::held-twice", "impersonation::fixed-user",
    "kernel-mode::machine-identity", "names::no-record", "ntlm::back-end-not-listed",
    "protocol-transition::rbcd-not-trusted-to-authenticate", "chain::api-under-another-identity",
    "back-end::spn-held-twice",
]


def inventory_of(scenario, scope):
    """What those who run this lab would write of it."""
    topology, given = scope.topology, scenario.given
    lines = ["[domain]", 'realm = "DOUBLEHOP.TEST"', 'netbios = "DOUBLEHOP"', 'kdc = "dc1.doublehop.test"',
             'ldap = "dc1.doublehop.test"', 'ldap_ca = "ca.pem"', 'name_server = "10.93.0.10"', 'kdc_log = "kdc.log"',
             'front_end_ca = "web.pem"', f'restrict_ntlm_in_this_domain = "{given.restrict_ntlm_in_this_domain}"',
             "[reader]", 'account = "reader"', 'password_env = "READER"', "[machines]"]
    lines += [f'{name} = {{ host = "{topology.fqdn(name)}", account = "{name.upper()}$", '
              f'address = "{topology.machines[name].address}" }}' for name in topology.machines]
    lines += ["[names]", *(f'{label} = "{scope.host(label)}"' for label in given.names), "[accounts]"]
    for label, facts in {**given.users, **given.accounts}.items():
        role = f'role = "user", password_env = "P_{label}"' if label in given.users else 'role = "service"'
        types = ", ".join(f'"{each}"' for each in facts.keytab_encryption_types)
        lines.append(f'{label} = {{ account = "{scope.account(label)}", {role}, keytab_encryption_types = [{types}], '
                     f'aes_keys = {str(facts.aes_keys).lower()} }}')
    raw = {"web2": {}} | scenario.raw["given"].get("front_ends", {"web1": {}})
    lines += ["[front_ends]", *(f"{name} = {{}}" for name, each in raw.items() if not each)]
    lines += [each for name, tree in raw.items() if tree for each in as_toml(tree, f"{name}.")]
    everybody = {**given.users, **given.accounts, **given.computers}
    absent = {label for label, facts in everybody.items() if not facts.sql_login}
    logins = [each for each in {**everybody, **topology.machines} if each not in absent]
    lines += ["[back_ends]", 'sql = { machine = "sql1", spns = ['
              + ", ".join(f'"{each}"' for each in topology.machines[topology.only(Role.BACK_END)].spns)
              + "], logins = [" + ", ".join(f'"{each}"' for each in logins) + "] }"]
    lines += [f'{name} = {{ page = "{url}" }}' for name, url in given.back_ends.items()]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A lab with a reader in its directory and its KDC's log in a file, and who visits it."""
    folder = tmp_path_factory.mktemp("any")
    with Session(providers.make("local"), topologies.load(), lambda text: None) as session:
        lab = session.lab().wait_for_all()
        password = new_password()
        lab.change([{"do": "add", "dn": f"CN=reader,{USERS}", "attributes": {
            "objectClass": ["user"], "sAMAccountName": ["reader"], "userAccountControl": ["66048"],
            "unicodePwd": [unicode_password(password)]}}])
        (folder / "ca.pem").write_text(lab.dc.machine.run("cat", CA).check().stdout)
        machines = {name: list(each.enter()) for name, each in lab.machines.items()}
        standing = Standing(machines, folder, "", "", {"reader": password, "lab-alice": ""})
        with (folder / "kdc.log").open("wb") as log, subprocess.Popen(
                [*machines["dc1"], "tail", "-c", "0", "-F", KDC_LOG], stdout=log) as forwarding:
            yield lab, standing
            forwarding.kill()


def visited(scenario, lab, standing: Standing):
    """How a scenario ends for a visitor while the lab is in its configuration."""
    path, told = standing.folder / "inventory.toml", standing.folder / "report.jsonl"
    with applied(scenario, lab) as configured:
        authority = lab.client.machine.run("cat", AUTHORITY)
        (standing.folder / "web.pem").write_text(authority.stdout)
        path.write_text(inventory_of(scenario, configured.scope))
        secrets = {f"P_{label}": configured.passwords[label] for label in scenario.given.users}
        done = standing.visit(scenario.id, "--report", str(told), inventory=path,
                              environment={"READER": standing.passwords["reader"], **secrets})
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return ends(told)[scenario.id], done.stdout + done.stderr


def known():
    """The catalogue by id."""
    return {each.id: each for each in catalogue.load(topologies.load())}


@pytest.mark.parametrize("scenario_id", IDS)
def test_what_a_lab_holds_is_seen_to_hold_from_outside(there, scenario_id):
    (verdict, _), said = visited(known()[scenario_id], *there)
    assert verdict is VerdictKind.AGREED, said
