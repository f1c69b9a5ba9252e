"""Whether a URL could be asked for at all: what listens there, and whose certificate it shows."""

from urllib.parse import urlsplit

from doublehop.frontend import HTTPS, FrontEnd, parse_binding
from doublehop.rules.world import Url, World


def unreachable(world: World, url: Url, *, from_client: bool = True) -> str:
    """Why nobody there could be asked for a URL at all, or nothing when somebody can."""
    machine, arriving, proxy = world.led(url, from_client=from_client)
    if proxy is not None and arriving.scheme != url.scheme:
        return f"the proxy on {world.machine(url.host, from_client=from_client)} speaks {arriving.scheme}"
    if not any(each.protocol == arriving.scheme for each, _ in world.bound(machine, arriving)):
        return f"nothing listens at {arriving.scheme} on port {arriving.port} of {machine or url.host}"
    if url.scheme == HTTPS and url.is_address:
        return "certificates here are for names"
    shown = [machine] if proxy is None else [machine, world.machine(url.host, from_client=from_client)]
    wrong = [each for each in shown if url.scheme == HTTPS and url.host not in certified(world, each)]
    return f"the certificate of {wrong[0]} is not for {url.host}" if wrong else ""


def certified(world: World, machine: str, config: FrontEnd | None = None) -> set[str]:
    """The names in a web server's certificate: those it is asked for by TLS, as a server or as a proxy."""
    config, scope = config or world.front_end(machine), world.scope
    names = set()
    for site in config.sites.values() if config else ():
        for each in (parse_binding(scope.fill(text)) for text in site.bindings):
            if each.protocol == HTTPS:
                names.add(each.host or scope.host(machine))
    proxy = world.given.proxies.get(machine)
    if proxy is not None and urlsplit(proxy.to).scheme == HTTPS:
        names |= {scope.host(machine)}
        names |= {scope.host(label) for label, text in world.given.names.items() if text == f"A {machine}"}
    return names
