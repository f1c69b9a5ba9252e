"""What the Vagrantfile and the scripts in `lab/windows/` read: the topology as JSON.

`python -m doublehop.providers.vagrant_machines > lab/vagrant/machines.json` makes it again after a change.
"""

import json
from collections.abc import Mapping
from typing import Any

from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.model import Role
from doublehop.providers.docker import CAPABILITIES, LABEL
from doublehop.providers.image import ENVIRONMENT, IN_MEMORY, WRITABLE
from doublehop.topology import MachineSpec, Topology

PATH = LAB / "vagrant" / "machines.json"
FIRST_PROGRAM = "trap 'exit 0' TERM; sleep infinity & wait"
"""Stays until it is told to end, and takes in what programs leave behind; agents are started beside it."""
CODE = "/opt/doublehop"
DOOR = ["python3", "-m", "doublehop.machine.door"]
SCENARIO = "constrained::listed"
"""What a `vagrant up` by hand leaves standing."""
KINDS = {dict: "an object", list: "a list", str: "text", int: "a whole number"}
"""JSON's kinds of values that the file has, in words."""


def written(topology: Topology) -> str:
    """The file's text."""
    return json.dumps(_described(topology), indent=2) + "\n"


def misshapen(found: Mapping[str, Any], topology: Topology) -> str:
    """Which key a file first has otherwise than this topology's, by its path; nothing when they have the same shape.

    What the values are is not compared, only of what kind: whoever changed one of them meant it.
    """
    there, wanted = _shape(found), _shape(_described(topology))
    for path, kind in wanted.items():
        if path not in there:
            return f"{path}: missing"
        if there[path] is not kind:
            return f"{path}: expected {KINDS[kind]}"
    return next((f"{path}: nobody knows this key" for path in there if path not in wanted), "")


def _shape(value: object, path: str = "") -> dict[str, type]:
    """Each path in a JSON document with the kind of its value, a container before what is in it."""
    parts: dict[str, object] = {}
    if isinstance(value, dict):
        parts = {f"{path}.{key}".removeprefix("."): each for key, each in value.items()}
    elif isinstance(value, list):
        parts = {f"{path}[{number}]": each for number, each in enumerate(value)}
    deeper = {where: kind for each, part in parts.items() for where, kind in _shape(part, each).items()}
    return {path: type(value), **deeper}


def _described(topology: Topology) -> dict[str, Any]:
    across = topology.across
    return {
        **_domain(topology), "network": str(topology.network), "machines": _machines(topology, topology.machines),
        "partner": {**_domain(across), "machines": _machines(across, across.machines)},
        "linux": {
            "image": f"doublehop/machine:{topology.image.release}",
            "dockerfile": "docker/Dockerfile", "base": f"debian:{topology.image.release}-slim",
            "label": LABEL, "capabilities": list(CAPABILITIES), "environment": ENVIRONMENT,
            "tmpfs": [f"{path}:{options}" for path, options in WRITABLE.items()],
            "first_program": ["sh", "-c", FIRST_PROGRAM],
            "by_hand": {
                "network": str(topology.for_vagrant.network), "scenario": SCENARIO, "code": CODE,
                "folders": ["doublehop", "fixtures", "lab"], "tmpfs": f"/snapshot:{IN_MEMORY}", "doors": "/doors",
                "first_program": [*DOOR, "keep"], "standing": ["python3", "-m", "doublehop.standing"],
            },
        },
        "windows": _windows(topology),
    }


def _domain(topology: Topology) -> dict[str, Any]:
    return {"realm": topology.realm, "domain": topology.domain, "dns": topology.dns}


def _machines(topology: Topology, machines: Mapping[str, MachineSpec]) -> list[dict[str, Any]]:
    return [{"name": name, "fqdn": topology.fqdn(name), "role": str(each.role), "address": str(each.address),
             "spns": list(each.spns)} for name, each in machines.items()]


def _windows(topology: Topology) -> dict[str, Any]:
    windows = topology.windows
    kinds = {"server": windows.boxes.server, "client": windows.boxes.client}
    boxes = {kind: {name: {"box": each.box, "version": each.version, "providers": list(each.providers)}
                    for name, each in known.items()} for kind, known in kinds.items()}
    guests = {}
    for name, size in windows.guests.items():
        kind = "client" if topology.machines[name].role is Role.CLIENT else "server"
        box = kinds[kind][windows.client if kind == "client" else windows.server]
        guests[name] = {"kind": kind, "box": box.box, "version": box.version, "memory": size.memory, "cpus": size.cpus}
    editions = {name: {"url": each.url, "media": each.media} for name, each in windows.sql_editions.items()}
    return {"server": windows.server, "client": windows.client, "sql": windows.sql,
            "sql_account": windows.sql_account, "sql_editions": editions,
            "hosting_bundle": windows.hosting_bundle, "web_ports": list(windows.web_ports),
            "guests": guests, "boxes": boxes}


if __name__ == "__main__":
    print(written(topologies.load()), end="")
