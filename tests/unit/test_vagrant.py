"""What Vagrant reads, and the parts of its provider that need neither it nor an engine."""

import json
import re

import pytest

from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import InputError
from doublehop.model import Role
from doublehop.providers import vagrant_machines

SHIPPED = (LAB / "topology.toml").read_text()


def test_the_file_of_machines_is_up_to_date(topology):
    remedy = "run python -m doublehop.providers.vagrant_machines > lab/vagrant/machines.json"
    assert vagrant_machines.PATH.read_text() == vagrant_machines.written(topology), remedy


def test_every_machine_is_in_it_with_its_place_and_a_guest(topology):
    read = json.loads(vagrant_machines.PATH.read_text())
    assert [each["name"] for each in read["machines"]] == list(topology.machines)
    assert set(read["windows"]["guests"]) == set(topology.machines)
    client = topology.only(Role.CLIENT)
    for name, guest in read["windows"]["guests"].items():
        assert guest["kind"] == ("client" if name == client else "server")
        assert guest["memory"] >= 2048, "no Windows with a desktop runs in less"


REFUSED = {
    "unknown server": ('server = "2022"', 'server = "2016"', "windows.server: expected one of 2025, 2022, 2019"),
    "unknown client": ('client = "11"', 'client = "xp"', "windows.client: expected one of 11, 11-24h2, not 'xp'"),
    "unknown edition": ('sql = "developer"', 'sql = "web"', "windows.sql: expected one of developer, express"),
    "guest of no machine": ("dc1 = {", "dc9 = {", "windows.guests.dc9: no machine has this name"),
    "machine without guest": ("web2 = { memory = 3072, cpus = 2 }\n", "",
                              "windows.guests: expected one for machine 'web2'"),
    "misspelt key": ("{ memory = 2048", "{ memmory = 2048", "windows.guests.dc1.memory: Field required"),
    "no number": ("{ memory = 2048", '{ memory = "much"', "windows.guests.dc1.memory: Input should be a valid integer"),
}


@pytest.mark.parametrize(("old", "new", "problem"), REFUSED.values(), ids=REFUSED)
def test_wrong_windows_guests_are_refused(tmp_path, old, new, problem):
    assert old in SHIPPED
    path = tmp_path / "topology.toml"
    path.write_text(SHIPPED.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(problem)):
        topologies.load(path)
