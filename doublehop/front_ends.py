"""The kinds of front end that a lab can have, as data: what each cannot do, and what is to be expected of it. Pure.

A scenario is written for IIS. Where a setting comes to nothing on another front end, that is a departure: the rules say
what the scenario comes to as if the setting were the other, and only what they tell apart is expected to differ.
"""

import datetime
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doublehop.data import FIXTURES
from doublehop.errors import InputError
from doublehop.frontend import STRICT, FrontEnd
from doublehop.model import Expect, Need, Request, Role, Scenario
from doublehop.rules import SAMBA, WINDOWS
from doublehop.rules.predict import predict
from doublehop.topology import Topology
from doublehop.verdict import BACK_END_SERVICES

PATH = FIXTURES / "front-ends.toml"
READ_FRONT_END = TypeAdapter(FrontEnd)


class Place(StrEnum):
    """Where a word shows: what hop 1 came to, or why hop 2 came to nothing."""

    STATUS = "status"
    LEVEL = "level"
    FRONT_END = "front-end"
    DATABASE = "database"
    PAGE = "page"
    """Another page, among the back ends."""
    ACT_AS = "act-as"
    """Whatever is asked by a page that takes on a user by itself, where the KDC gives it no ticket to itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """A setting of IIS that counts as another one, whatever it says, a rule that counts here, or words that are others.

    The `rule` is one of what the kind asks other pages with. `words` are by where they show and by what the reference
    says there; `scenarios` are some that show it.
    """

    __pydantic_config__ = STRICT

    setting: str = ""
    counts_as: bool | int | str | tuple[str, ...] = ()
    rule: str = ""
    words: Mapping[Place, Mapping[str, str]] = field(default_factory=dict)
    scenarios: tuple[str, ...]
    windows: str
    here: str
    reason: str
    source: str
    date: datetime.date


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """Why a kind of front end cannot be configured for what some scenarios need, and who says so."""

    __pydantic_config__ = STRICT

    reason: str
    source: str
    date: datetime.date


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of front end: what it needs of a host, and which of a scenario's needs it does not meet, with why."""

    __pydantic_config__ = STRICT

    name: str
    title: str
    needs: tuple[Need, ...] = ()
    stands_for: str = ""
    """The kind that it takes the place of, wherever what it needs is there."""
    built: bool = False
    """Whether its page is built on this host, with .NET, and brought to the web servers."""
    asks_with: str = ""
    """What it asks another page with, whose rows count in the rules."""
    lacks: Mapping[Need, Lack] = field(default_factory=dict)
    departures: Mapping[str, Departure] = field(default_factory=dict)

    def missing(self, scenario: Scenario) -> Sequence[Need]:
        """What a scenario needs that it is not able to do."""
        return [each for each in scenario.needs if each in self.lacks]

    def counted(self, scenario: Scenario, topology: Topology) -> Scenario:
        """The scenario as its settings count here."""
        settings = {each.setting: each.counts_as for each in self.departures.values() if each.setting}
        given = scenario.given
        configured = {name: given.front_ends.get(name, FrontEnd()) for name in topology.of(Role.FRONT_END)}
        changed = {name: READ_FRONT_END.validate_python(_with(asdict(each), settings))
                   for name, each in configured.items()}
        apart = {name: each for name, each in changed.items() if each != configured[name]}
        return replace(scenario, given=replace(given, front_ends={**given.front_ends, **apart})) if apart else scenario

    def expected(self, scenario: Scenario, topology: Topology, platform: str = SAMBA) -> Expect:
        """The published outcome, but for what the rules tell apart once settings and the platform are those here.

        A scenario says what a lab on Samba comes to; where that departs from Windows, the rules say what Windows does.
        """
        expect = self._as_counted(scenario, topology, platform)
        acts = isinstance(scenario.when, Request) and bool(scenario.when.act_as)
        fails = {name: self._of_back_end(name, error, acts=acts) for name, error in expect.fails.items()}
        refused = {name: error for name, error in expect.fails.items() if error != fails[name]}
        return replace(expect, status=int(self._word(Place.STATUS, str(expect.status))), fails=fails, refused=refused,
                       level=self._word(Place.LEVEL, expect.level), error=self._word(Place.FRONT_END, expect.error))

    def _word(self, place: Place, word: str) -> str:
        """What is said here in the place of the reference's word."""
        others = (each.words.get(place, {}) for each in self.departures.values())
        return next((each[word] for each in others if word in each), word)

    def _of_back_end(self, name: str, error: str, *, acts: bool) -> str:
        """What a page says of a back end that comes to this error; one that acts as a user may not even come to ask."""
        at_once = self._word(Place.ACT_AS, error) if acts else error
        asked = Place.DATABASE if name.rpartition(".")[2] in BACK_END_SERVICES else Place.PAGE
        return at_once if at_once != error else self._word(asked, error)

    def _as_counted(self, scenario: Scenario, topology: Topology, platform: str) -> Expect:
        counted = self.counted(scenario, topology)
        asking = [self.asks_with] if self.asks_with else []
        if counted is scenario and platform == SAMBA and not asking:
            return scenario.expect
        as_written = predict(scenario, topology).expect
        as_counted = predict(counted, topology, platform, *asking).expect
        other = {each.name: getattr(as_counted, each.name) for each in fields(Expect)
                 if getattr(as_counted, each.name) != getattr(as_written, each.name)
                 and getattr(scenario.expect, each.name) is not None}
        return replace(scenario.expect, **other)


def _with(tree: Any, settings: Mapping[str, Any]) -> Any:
    """A configuration with some settings replaced, wherever they stand."""
    if isinstance(tree, dict):
        return {key: settings[key] if key in settings else _with(value, settings) for key, value in tree.items()}
    return tree


READ = TypeAdapter(Kind)
REFERENCE = Kind(name="reference", title="what IIS is documented to do, with real tickets")


def load() -> dict[str, Kind]:
    """Every kind by its name, the reference first.

    Raises InputError with file and key when one cannot be used.
    """
    tables: dict[str, dict[str, Any]] = tomllib.loads(PATH.read_text())
    try:
        return {REFERENCE.name: REFERENCE,
                **{name: READ.validate_python({"name": name, **table}) for name, table in tables.items()}}
    except ValidationError as failure:
        first = failure.errors()[0]
        raise InputError(str(PATH), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from failure


def standing(kind: Kind, offers: Collection[Need]) -> Kind:
    """The kind that is there when one is asked for: IIS's own page for the reference, where machines are Windows."""
    return next((each for each in load().values() if each.stands_for == kind.name and {*each.needs} <= {*offers}), kind)


def platform_of(offers: Collection[Need]) -> str:
    """Whose rules count in a lab that has this."""
    return WINDOWS if Need.WINDOWS in offers else SAMBA


def named(name: str, option: str) -> Kind:
    """The kind of a name.

    Raises InputError when there is none.
    """
    kinds = load()
    if name not in kinds:
        raise InputError(option, f"expected one of {', '.join(kinds)}, not {name!r}")
    return kinds[name]
