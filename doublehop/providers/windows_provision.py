"""Brings Windows guests to what the topology says of them, whatever they need in between.

`provision.ps1` goes as far as it can and says what it waits for: a restart, the domain, or a certificate. Called again
with the same document it goes on from there, and at the end it changes nothing; so a run that was cut short, and a
second one, need nothing special.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from doublehop.errors import LabError
from doublehop.model import Role
from doublehop.providers import Progress
from doublehop.topology import Topology

Signed = Callable[[str], Mapping[str, str]]
"""What the lab's authority makes of a request: the `certificate`, and the `authority`'s own."""
ROUNDS = 12
"""More calls than any role has reasons to wait; a machine that wants more goes in circles."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hands:
    """What can be done to a guest: have `provision.ps1` go on with a document, and start the machine anew."""

    go_on: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
    restart: Callable[[str], None]


def provisioned(topology: Topology, name: str, described: Mapping[str, Any], secrets: Mapping[str, str], signed: Signed,
                hands: Hands, progress: Progress, domain_sid: str = "") -> str:
    """Provision one machine; gives its domain's SID, which a member has to be told and the domain controller tells.

    `described` is the generated topology file. Raises LabError with the machine and what it waits for in vain.
    """
    document = {"topology": described, "machine": name, "domain_sid": domain_sid,
                "secrets": {each: secrets[each] for each in SECRETS[topology.machines[name].role]}}
    certificates: dict[str, str] = {}
    told: list[str] = []
    for _ in range(ROUNDS):
        answer = hands.go_on(name, {**document, "certificates": certificates})
        needs = str(answer["needs"])
        progress(f"{name}: {', '.join(answer['changed']) or 'nothing to change'}"
                 + (f"; needs a {needs}" if needs else ""))
        told.append(needs)
        match needs:
            case "":
                return str(answer["domain_sid"]) or domain_sid
            case "restart":
                hands.restart(name)
            case "certificate":
                issued = signed(answer["request"])
                certificates = {"authority": issued["authority"], "machine": issued["certificate"]}
            case "domain":
                raise LabError(f"{name} finds no domain {described['dns']}, though its controller is provisioned")
            case _:
                raise LabError(f"{name} needs {needs!r}, and nobody here knows what that is")
    raise LabError(f"{name} is not provisioned after {ROUNDS} rounds; it needed {', '.join(told)}")


SECRETS: Mapping[Role, tuple[str, ...]] = {
    Role.DOMAIN_CONTROLLER: ("administrator", "dsrm", "sql_service"),
    Role.FRONT_END: ("administrator",),
    Role.BACK_END: ("administrator", "sql_service"),
    Role.CLIENT: ("administrator",),
}
"""Which secrets a machine is told: no more than its role has a use for."""
EVERY_SECRET = ("administrator", "dsrm", "sql_service")
