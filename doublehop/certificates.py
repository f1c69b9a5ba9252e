"""Gives the machines of a configuration that speaks TLS their certificates, and nothing to any other."""

from doublehop.frontend import FrontEnd
from doublehop.lab import Lab
from doublehop.rules.reach import certified
from doublehop.rules.world import World
from doublehop.scope import Scope


def certify(machine: str, config: FrontEnd, scope: Scope, lab: Lab) -> None:
    """Have a web server's certificate made for every name it is asked for by TLS, and the client trust it."""
    names = sorted(certified(World(scope), machine, config))
    if not names:
        return
    agent = lab.front_end(machine)
    issued = lab.dc.ask("issue_certificate", request=agent.ask("request_certificate", host=machine, names=names))
    agent.ask("take_certificate", **issued)
    lab.client.ask("trust", authority=issued["authority"])
