"""Gives the machines of a configuration that speaks TLS their certificates, and nothing to any other."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from doublehop.frontend import HTTPS, FrontEnd, parse_binding
from doublehop.lab import Lab
from doublehop.scope import Scope


def certify(machine: str, config: FrontEnd, scope: Scope, lab: Lab) -> None:
    """Have a web server's certificate made for every name it is asked for by TLS, and the client trust it."""
    names = sorted(set(_names(machine, config, scope)))
    if not names:
        return
    agent = lab.front_end(machine)
    issued = lab.dc.ask("issue_certificate", request=agent.ask("request_certificate", host=machine, names=names))
    agent.ask("take_certificate", **issued)
    lab.client.ask("trust", authority=issued["authority"])


def _names(machine: str, config: FrontEnd, scope: Scope) -> Iterator[str]:
    for site in config.sites.values():
        for each in (parse_binding(scope.fill(text)) for text in site.bindings):
            if each.protocol == HTTPS:
                yield each.host or scope.host(machine)
    proxy = scope.given.proxies.get(machine)
    if proxy and urlsplit(proxy.to).scheme == HTTPS:
        yield scope.host(machine)
        yield from (scope.host(label) for label, text in scope.given.names.items() if text == f"A {machine}")
