"""Scenarios nobody wrote: drawn, admitted when a lab could be given them, expected to end as the rules say. Pure.

The same seed and number always give the same scenario, whoever draws it and in whatever order.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from doublehop import catalogue, rules
from doublehop.draw import Tree, draw
from doublehop.errors import InputError
from doublehop.model import Expect, Need, Request, Scenario, Scheme
from doublehop.rules import Prediction, hop1
from doublehop.rules.world import HOST_STANDS_FOR, World
from doublehop.scope import Scope, scope_of
from doublehop.topology import Topology

HTTP_OK = 200
DULL = 0.35
"""How many of those that never reach a page by Kerberos are kept; the others are many and alike."""


def drawn(seed: int, number: int, topology: Topology) -> Scenario:
    """The scenario of this number; drawn again until a lab could be given it."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - to be repeatable is what it is for
    while True:
        found = admitted(f"explore-{seed}::n{number}", draw(random), topology)
        if found and (found.expect.scheme == Scheme.KERBEROS or random.random() < DULL):
            return found


def admitted(scenario_id: str, tree: Tree, topology: Topology) -> Scenario | None:
    """The scenario of a tree with what the rules predict for it, or None when no lab could be given it."""
    try:
        asked = catalogue.question(scenario_id, tree, topology)
    except InputError:
        return None
    if not directory_takes(scope_of(scenario_id, asked.given, topology)):
        return None
    ntlm = False
    if isinstance(asked.when, Request) and asked.when.after:
        alone = dataclasses.replace(asked.when, user=asked.when.after, after="")
        before = rules.predict(dataclasses.replace(asked, when=alone), topology)
        if before.expect.status != HTTP_OK:
            return None  # whoever asks before is to have the page
        ntlm = _asks_about_ntlm(before)
    prediction = rules.predict(asked, topology)
    sources = tuple(dict.fromkeys(each for one in prediction.decisions for each in one.rule.sources))
    needs = (*asked.needs, Need.NTLM) if ntlm or _asks_about_ntlm(prediction) else asked.needs
    return dataclasses.replace(asked, expect=_anywhere(prediction.expect, topology), sources=sources, needs=needs,
                               why="; ".join(each.told for each in prediction.decisions))


def _anywhere(expect: Expect, topology: Topology) -> Expect:
    """The same outcome with `{machine.address}` for addresses, which a lab may have others of."""

    def without(text: str) -> str:
        for name, each in topology.machines.items():
            text = re.sub(rf"{re.escape(str(each.address))}(?![0-9])", f"{{{name}.address}}", text)
        return text

    return dataclasses.replace(expect, spn=without(expect.spn),
                               offers=expect.offers and tuple(without(each) for each in expect.offers))


def _asks_about_ntlm(prediction: Prediction) -> bool:
    """Whether the domain controller is asked about NTLM, even if something else lets the user in after that."""
    answers = {one.then for one in prediction.decisions if one.question == hop1.NTLM.question}
    return any(each == Scheme.NTLM or each.startswith("STATUS_") for each in answers)


def directory_takes(scope: Scope) -> bool:
    """Whether the directory would hold what is given, written in the order of `directory.plan`.

    It keeps SPNs unique, and takes no HOST name for which another account holds a special class already.
    """
    held: dict[str, str] = {}
    for label, text in World(scope).written():
        account, spn = scope.account(label), text.lower()
        service, _, host = spn.partition("/")
        if held.setdefault(spn, account) != account:
            return False
        special = {held.get(f"{each}/{host}", account) for each in HOST_STANDS_FOR} if service == "host" else set()
        if special - {account}:
            return False
    return all(_has(scope, label, text) for label, facts in scope.given.computers.items()
               for text in facts.without_spns) and not _twice(scope)


def _has(scope: Scope, machine: str, text: str) -> bool:
    own = (f"HOST/{machine}", f"HOST/{scope.topology.fqdn(machine)}", *scope.topology.machines[machine].spns)
    return scope.fill(text).lower() in [each.lower() for each in own]


def _twice(scope: Scope) -> bool:
    given = scope.given
    for label, facts in {**given.users, **given.accounts, **given.computers}.items():
        spns = [scope.fill(each).lower() for each in (*facts.spns, *given.duplicate_spns.get(label, "").split())]
        own = label in given.computers and any(_has(scope, label, each) for each in facts.spns)
        if len(set(spns)) < len(spns) or own:
            return True
    return False


def smaller(tree: Tree) -> Iterator[Tree]:
    """Every tree with one branch, leaf or element less, the largest cuts first."""
    cuts = sorted(_paths(tree), key=len)
    for path in cuts:
        if path not in {("given",), ("when",), ("when", "get"), ("when", "register"), ("when", "on")}:
            yield _cut(tree, path)


def _paths(tree: Any, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield (*prefix, key)
        yield from _paths(value, (*prefix, key))


def _cut(tree: Any, path: tuple[Any, ...]) -> Any:
    head, *rest = path
    pairs = list(tree.items() if isinstance(tree, dict) else enumerate(tree))
    kept = [(key, _cut(value, tuple(rest)) if key == head else value) for key, value in pairs if key != head or rest]
    return dict(kept) if isinstance(tree, dict) else [value for _, value in kept]


BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A tree as lines of TOML, a leaf each."""
    for key, value in tree.items():
        path = prefix + (key if BARE.fullmatch(key) else json.dumps(key))
        if isinstance(value, dict) and value:
            yield from as_toml(value, f"{path}.")
        else:
            yield f"{path} = {'{}' if value == {} else json.dumps(value)}"


def as_file(scenario: Scenario, told: list[str], topology: Topology) -> str:
    """A scenario as a file that is ready to join the catalogue; `told` says in comments what was seen."""
    name = scenario.id.partition("::")[2]
    scope = scope_of(scenario.id, scenario.given, topology)
    spn = _with_labels(scenario.expect.spn, scope)
    offers = scenario.expect.offers and tuple(_with_labels(each, scope) for each in scenario.expect.offers)
    scenario = dataclasses.replace(scenario, expect=dataclasses.replace(scenario.expect, spn=spn, offers=offers))
    expect = {key: value for key, value in dataclasses.asdict(scenario.expect).items() if value != _default(key)}
    tree = {"title": f"What the rules make of {scenario.id}", "why": scenario.why, "sources": list(scenario.sources),
            **scenario.raw, "expect": expect}
    return "\n".join([*(f"# {each}" for each in told), f"[{name}]", *as_toml(tree), ""])


def _with_labels(text: str, scope: Scope) -> str:
    """The text with `{label}` for the full names of one scenario, so that it fits under any id."""
    for label in (*scope.given.names, *scope.topology.machines):
        text = text.replace(scope.host(label), f"{{{label}}}")
    return text


def _default(field: str) -> object:
    return getattr(Expect(), field)
