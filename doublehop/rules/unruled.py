"""Which facts of a scenario the rules do not know yet. A prediction is worth something only where there are none.

The list names facts and never scenarios, so that it says the same of one that nobody has written yet.
"""

from collections.abc import Callable, Mapping

from doublehop.frontend import HttpSys
from doublehop.model import Principal, Role, Scenario
from doublehop.topology import Topology

FEW_GROUPS = 50
"""With so few a ticket fits into every limit of HTTP.sys and of the token (rows B-28, B-29)."""
USUAL = Principal()


def not_ruled_yet(scenario: Scenario, topology: Topology) -> list[str]:
    """The facts of a scenario that no table asks for, by their name in FACTS; empty when `predict` covers it."""
    return [name for name, holds in FACTS.items() if holds(scenario, topology)]


def _principals(scenario: Scenario) -> list[Principal]:
    given = scenario.given
    return [*given.users.values(), *given.accounts.values(), *given.computers.values()]


def _keys(scenario: Scenario, _: Topology) -> bool:
    return any((each.supported_encryption_types, each.keytab_encryption_types, each.aes_keys)
               != (USUAL.supported_encryption_types, USUAL.keytab_encryption_types, USUAL.aes_keys)
               for each in _principals(scenario)) or scenario.expect.encryption is not None


def _managed(scenario: Scenario, _: Topology) -> bool:
    return any(each.managed for each in _principals(scenario))


def _groups(scenario: Scenario, _: Topology) -> bool:
    limits = any(each.httpSys != HttpSys() for each in scenario.given.front_ends.values())
    return limits or any(each.groups + each.domain_local_groups > FEW_GROUPS for each in _principals(scenario))


def _clocks(scenario: Scenario, _: Topology) -> bool:
    return bool(scenario.given.clocks)


def _cut_off(scenario: Scenario, topology: Topology) -> bool:
    return bool(set(scenario.given.dc_unreachable_from) - {topology.only(Role.CLIENT)})


def _later(scenario: Scenario, _: Topology) -> bool:
    return bool(scenario.given.after_sign_in)


FACTS: Mapping[str, Callable[[Scenario, Topology], bool]] = {
    "encryption types and keys": _keys,
    "gMSAs": _managed,
    "many groups and the limits of HTTP.sys": _groups,
    "clocks": _clocks,
    "servers that do not reach the domain controller": _cut_off,
    "changes after sign-in": _later,
}
"""Each kind of fact that is still missing; one leaves this list when a table asks for it."""
