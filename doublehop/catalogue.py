"""Reads scenarios from TOML: one file a topic, one table a scenario, ids like `ports::two-identities`.

A scenario may start *from* another and *change* some leaves of its `given` and `when`. Everything a person
can get wrong is an InputError that names file, scenario and key; nothing is started before all is read.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doublehop import releases
from doublehop.data import SCENARIOS
from doublehop.errors import InputError
from doublehop.frontend import STRICT
from doublehop.model import (
    Expect,
    Given,
    Need,
    Registration,
    Request,
    Scenario,
    When,
)
from doublehop.needs import implied
from doublehop.sanity import check, check_question
from doublehop.topology import Topology

Tree = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One table of a scenario file as it is written."""

    __pydantic_config__ = STRICT

    title: str
    why: str
    sources: tuple[str, ...]
    expect: Expect
    from_: str = ""
    change: Tree = field(default_factory=dict)
    given: Tree = field(default_factory=dict)
    when: Tree = field(default_factory=dict)
    needs: tuple[Need, ...] = ()


TREE_KEYS = {"given", "when"}
"""What another scenario may start from and change."""
READ_ENTRY = TypeAdapter(Entry)
READ_EXPECT = TypeAdapter(Expect)
READ_GIVEN = TypeAdapter(Given)
READ_WHEN: Mapping[str, TypeAdapter[Any]] = {
    "get": TypeAdapter(Request), "register": TypeAdapter(Registration), "grant": TypeAdapter(Registration),
}


def load(topology: Topology, folder: Path = SCENARIOS) -> list[Scenario]:
    """Every scenario of a folder, in the order of files and lines.

    Raises InputError when one cannot be used, and when there is none at all.
    """
    scenarios = load_files(sorted(folder.glob("*.toml")), topology)
    if not scenarios:
        raise InputError(str(folder), "expected scenario files, found none")
    return scenarios


def load_files(paths: Iterable[Path], topology: Topology, known: Iterable[Scenario] = ()) -> list[Scenario]:
    """The scenarios of some files; they may start from each other's and from those already known."""
    entries: dict[str, tuple[Path, Entry]] = {}
    for path in paths:
        for name, entry in _entries(path):
            scenario_id = f"{path.stem}::{name}"
            if scenario_id in entries:
                raise InputError(f"{path}: {name}", f"{entries[scenario_id][0]} has a scenario {scenario_id} already")
            entries[scenario_id] = path, entry
    trees = {each.id: {"given": each.raw["given"], "when": each.raw["when"]} for each in known}
    return [_scenario(each, entries, trees, topology) for each in entries]


def _entries(path: Path) -> Iterator[tuple[str, Entry]]:
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(str(path), str(failure)) from failure
    except tomllib.TOMLDecodeError as failure:  # says the line; a table written twice ends here
        raise InputError(str(path), str(failure)) from failure
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{path}: {name}", "expected a table, one for each scenario")
        where = f"{path}: {name}"
        if "from_" in table:
            raise InputError(f"{where}.from_", "unexpected key")
        renamed = {("from_" if key == "from" else key): value for key, value in table.items()}
        yield name, _validated(READ_ENTRY, renamed, where)


def _validated(reader: TypeAdapter[Any], value: Any, where: str) -> Any:
    """A record of a table. Nothing is read as something else: "yes" is no truth value and "2" no number.

    The table goes through JSON, where pydantic's strict reading takes lists for tuples and words for members of sets;
    a date becomes the text that it was written as.
    """
    try:
        return reader.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as failure:
        first = failure.errors()[0]
        key = ".".join(str(each) for each in first["loc"])
        unexpected = first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}
        problem = "unexpected key" if unexpected else f"{first['msg']}, not {first['input']!r}"
        raise InputError(f"{where}.{key}" if key else where, problem) from failure


def _scenario(scenario_id: str, entries: Mapping[str, tuple[Path, Entry]], trees: Mapping[str, Tree],
              topology: Topology) -> Scenario:
    path, entry = entries[scenario_id]
    where = f"{path}: {scenario_id.partition('::')[2]}"
    entry = _as_on(topology, scenario_id, entry)
    tree = _tree(scenario_id, entries, trees, ())
    given: Given = _validated(READ_GIVEN, tree["given"], f"{where}.given")
    when = _when(tree["when"], where)
    needs = dict.fromkeys([*entry.needs, *implied(given, when, entry.expect, topology)])
    scenario = Scenario(
        id=scenario_id, title=entry.title, why=entry.why, sources=entry.sources, given=given, when=when,
        expect=entry.expect, needs=tuple(needs),
        flips=_full_id(entry.from_, scenario_id), changed=tuple(_leaves(entry.change)), path=str(path), raw=tree,
    )
    check(scenario, topology, where)
    return scenario


def _as_on(topology: Topology, scenario_id: str, entry: Entry) -> Entry:
    """The entry with what is expected where the domain controllers' release departs from the ordinary one."""
    departure = releases.departure_of(scenario_id, topology)
    if departure is None:
        return entry
    expect = _validated(READ_EXPECT, departure.expect[scenario_id], f"{releases.DEPARTURES}: {departure.id}.expect")
    return replace(entry, expect=expect, why=f"{departure.here}: {departure.reason}.")


def question(scenario_id: str, tree: Tree, topology: Topology) -> Scenario:
    """A scenario that is asked without an expectation: its given and when as a file would have them.

    Raises InputError when no lab could be given it.
    """
    given: Given = _validated(READ_GIVEN, tree["given"], f"{scenario_id}.given")
    when = _when(tree["when"], scenario_id)
    scenario = Scenario(
        id=scenario_id, title=scenario_id, why="", sources=(), given=given, when=when,
        expect=Expect(), needs=tuple(implied(given, when, Expect(), topology)), raw=tree,
    )
    check_question(scenario, topology, scenario_id)
    return scenario


def _when(tree: Tree, where: str) -> When:
    kind = next((key for key in READ_WHEN if key in tree), None)
    if kind is None:
        raise InputError(f"{where}.when", "expected `get` with a URL, `register` with an SPN or `grant` with a right")
    when: When = _validated(READ_WHEN[kind], tree, f"{where}.when")
    return when


def _tree(scenario_id: str, entries: Mapping[str, tuple[Path, Entry]], trees: Mapping[str, Tree],
          seen: tuple[str, ...]) -> Tree:
    """What is given and asked, with everything inherited merged in."""
    if scenario_id not in entries:
        return trees[scenario_id]
    path, entry = entries[scenario_id]
    where = f"{path}: {scenario_id.partition('::')[2]}"
    unexpected = entry.change.keys() - TREE_KEYS
    if unexpected:
        raise InputError(f"{where}.change.{min(unexpected)}", "unexpected key, expected given or when")
    own = {"given": entry.given, "when": entry.when}
    if not entry.from_:
        if entry.change:
            raise InputError(f"{where}.change", "expected only together with `from`")
        return own
    parent = _full_id(entry.from_, scenario_id)
    if parent in seen or parent == scenario_id:
        raise InputError(f"{where}.from", f"{parent} starts from this one")
    if parent not in entries and parent not in trees:
        raise InputError(f"{where}.from", f"no scenario is called {parent}")
    base = _tree(parent, entries, trees, (*seen, scenario_id))
    return merge(merge(base, own), entry.change)


def _full_id(name: str, beside: str) -> str:
    return name if not name or "::" in name else f"{beside.partition('::')[0]}::{name}"


def merge(base: Tree, change: Tree) -> Tree:
    """`base` with the leaves of `change` put in; tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _leaves(tree: Tree, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def select(scenarios: Iterable[Scenario], patterns: Iterable[str]) -> list[Scenario]:
    """Those whose id is or matches one of the patterns; all when there are none.

    Raises InputError for a pattern that matches nothing.
    """
    scenarios, patterns = list(scenarios), list(patterns)
    for each in patterns:
        if not any(fnmatchcase(scenario.id, each) for scenario in scenarios):
            raise InputError(each, "no scenario has this id (`doublehop list` shows them all)")
    return [each for each in scenarios if not patterns or any(fnmatchcase(each.id, one) for one in patterns)]
