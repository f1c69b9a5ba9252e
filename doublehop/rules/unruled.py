"""Which facts of a scenario the rules do not know yet. A prediction is worth something only where there are none.

The list names facts and never scenarios, so that it says the same of one that nobody has written yet.
"""

from collections.abc import Callable, Mapping

from doublehop.frontend import HTTPS, TokenChecking, WindowsAuthentication
from doublehop.model import Principal, Request, Scenario
from doublehop.topology import Topology

FEW_GROUPS = 50
"""With so few a ticket fits into every limit of HTTP.sys and of the token (rows B-28, B-29)."""
USUAL = Principal()


def not_ruled_yet(scenario: Scenario, topology: Topology) -> list[str]:
    """The facts of a scenario that no table asks for, by their name in FACTS; empty when `predict` covers it."""
    return [name for name, holds in FACTS.items() if holds(scenario, topology)]


def _proxies(scenario: Scenario, _: Topology) -> bool:
    return bool(scenario.given.proxies)


def _tls(scenario: Scenario, _: Topology) -> bool:
    sites = [site for each in scenario.given.front_ends.values() for site in each.sites.values()]
    bound = [text for site in sites for text in site.bindings]
    asked = scenario.when.get if isinstance(scenario.when, Request) else ""
    return any(each.startswith((f"{HTTPS}/", f"{HTTPS}:")) for each in [*bound, asked])


def _protection(scenario: Scenario, _: Topology) -> bool:
    return any(each.extendedProtection.tokenChecking is not TokenChecking.NONE for each in _windows(scenario))


def _windows(scenario: Scenario) -> list[WindowsAuthentication]:
    sites = [site for each in scenario.given.front_ends.values() for site in each.sites.values()]
    own = [each.windowsAuthentication for site in sites for each in site.applications.values()]
    return [*(each.windowsAuthentication for each in sites), *(each for each in own if each is not None)]


def _basic(scenario: Scenario, _: Topology) -> bool:
    sites = [site for each in scenario.given.front_ends.values() for site in each.sites.values()]
    applied = [site.basicAuthentication for site in sites]
    applied += [each.basicAuthentication for site in sites for each in site.applications.values()
                if each.basicAuthentication is not None]
    return any(each.enabled for each in applied) or (isinstance(scenario.when, Request) and scenario.when.client.basic)


def _another(scenario: Scenario, _: Topology) -> bool:
    return isinstance(scenario.when, Request) and bool(scenario.when.after)


FACTS: Mapping[str, Callable[[Scenario, Topology], bool]] = {
    "reverse proxies": _proxies,
    "TLS": _tls,
    "extended protection": _protection,
    "Basic": _basic,
    "another user before": _another,
}
"""Each kind of fact that is still missing; one leaves this list when a table asks for it."""
