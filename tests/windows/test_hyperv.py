"""The script for a Hyper-V host, on a model of one: its switches, and its virtual machines with their adapters."""

import pytest

VM = "0f9f6a44-0000-0000-0000-000000000001"
OUTSIDE = {"name": "Default Switch", "type": "Internal"}
OWN = {"name": "doublehop", "type": "Private"}
VAGRANTS = {"name": "Network Adapter", "switch": "Default Switch"}
LABS = {"name": "doublehop", "switch": "doublehop"}
MOVED = {**LABS, "switch": "Default Switch"}


def job(generation=2, state="Running", switches=(OUTSIDE,), adapters=(VAGRANTS,), vm=VM):
    vms = [{"id": VM, "name": "web1", "generation": generation, "state": state, "adapters": [*adapters]}]
    return {"name": "it", "script": "hyperv-network", "document": {"vm": vm, "switch": "doublehop"}, "again": True,
            "loop": True, "world": {"role": 2, "address": "10.93.0.21", "files": {}, "events": []},
            "change": {"world": {"vms": vms, "switches": [*switches]}}}


@pytest.mark.parametrize(("given", "steps"), [
    ({}, 2), ({"switches": (OUTSIDE, OWN)}, 1), ({"generation": 1, "state": "Off"}, 2),
    ({"switches": (OUTSIDE, OWN), "adapters": (VAGRANTS, LABS)}, 0),
    ({"switches": (OUTSIDE, OWN), "adapters": (VAGRANTS, LABS), "generation": 1}, 0),
    ({"switches": (OUTSIDE, OWN), "adapters": (VAGRANTS, MOVED)}, 1),
    ({"switches": (OUTSIDE, OWN), "adapters": (VAGRANTS, MOVED), "generation": 1}, 1),
])
def test_a_virtual_machine_gets_one_adapter_on_the_labs_switch(on_machines, given, steps):
    """And keeps it, wherever Vagrant has put it meanwhile."""
    ran = on_machines(job(**given))["it"]
    assert "error" not in ran, ran
    assert ran["state"]["world"]["switches"] == [OUTSIDE, OWN]
    assert ran["state"]["world"]["vms"][0]["adapters"] == [VAGRANTS, LABS]
    assert ran["loop"] == {"steps": steps, "failed": []}
    assert ran["again"]["steps"] == 0


@pytest.mark.parametrize(("given", "said"), [
    ({"generation": 1}, "web1 is of generation 1, which takes no adapter while it runs: say `vagrant halt`"),
    ({"vm": VM.replace("1", "2")}, "unable to find a virtual machine with id"),
])
def test_what_cannot_be_says_why(on_machines, given, said):
    ran = on_machines({**job(**given), "again": False, "loop": False})["it"]
    assert said in ran["error"]
    assert ran["state"]["world"]["vms"][0]["adapters"] == [VAGRANTS]


def test_a_switch_of_another_kind_is_not_the_labs(on_machines):
    """Guests would reach the host there, and the host them."""
    ran = on_machines(job(switches=({**OWN, "type": "Internal"},)))["it"]
    assert {each["type"] for each in ran["state"]["world"]["switches"]} == {"Internal", "Private"}
