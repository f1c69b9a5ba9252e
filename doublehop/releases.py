"""Reads the Debian releases that domain controllers may run, and in what each differs. Pure but for its files.

A release of Debian stands for a release of Samba. What it cannot do is a need that a lab with it does not offer
(`lab/releases.toml`); where it comes to something else, that is expected (`fixtures/departures-of-releases.toml`).
"""

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from doublehop.data import FIXTURES, LAB
from doublehop.errors import InputError
from doublehop.frontend import STRICT
from doublehop.model import Need
from doublehop.topology import Topology

PATH = LAB / "releases.toml"
T = TypeVar("T")
DEPARTURES = FIXTURES / "departures-of-releases.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One release; what it leaves unsaid is as in the topology. `lacks` says why it leaves a need open."""

    __pydantic_config__ = STRICT

    functional_level: str = ""
    base_schema: str = ""
    without: tuple[str, ...] = ()
    apt: str = ""
    lacks: dict[Need, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """Scenarios that end otherwise with domain controllers of one release: how, why and who says so.

    It fails when it stops being true, because `expect` is what these scenarios have to come to there.
    """

    __pydantic_config__ = STRICT

    id: str
    release: str
    here: str
    reason: str
    source: str
    date: datetime.date
    expect: dict[str, dict[str, Any]]


READ = TypeAdapter(dict[str, Release])
READ_DEPARTURES = TypeAdapter(list[Departure])


@cache
def load(path: Path = PATH) -> Mapping[str, Release]:
    """Every release by its name.

    Raises InputError with file and key when they cannot be used.
    """
    return _validated(READ, _tables(path), path)


@cache
def departures(path: Path = DEPARTURES) -> Sequence[Departure]:
    """Every departure of a release.

    Raises InputError with file and key when they cannot be used.
    """
    return _validated(READ_DEPARTURES, [{"id": name, **table} for name, table in _tables(path).items()], path)


def departure_of(scenario_id: str, topology: Topology) -> Departure | None:
    """Why a scenario ends otherwise in this lab, if it does."""
    release = topology.dc_image.release if topology.dc_image else ""
    return next((each for each in departures() if each.release == release and scenario_id in each.expect), None)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise InputError(str(path), str(failure)) from failure


def _validated(reader: TypeAdapter[T], value: Any, path: Path) -> T:
    try:
        return reader.validate_python(value)
    except ValidationError as failure:
        first = failure.errors()[0]
        raise InputError(str(path), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from failure


def with_dc(topology: Topology, name: str | None) -> Topology:
    """The same lab with domain controllers of another release; that of its other machines changes nothing.

    Raises InputError when there is no such release.
    """
    if name is None or name == topology.image.release:
        return topology
    if name not in load():
        raise InputError("--lab-dc", f"expected one of {', '.join(sorted(load()))}, not {name!r}")
    release = load()[name]
    image = replace(topology.image, release=name, without=release.without, apt=release.apt)
    return replace(topology, dc_image=image, functional_level=release.functional_level or topology.functional_level,
                   base_schema=release.base_schema or topology.base_schema)


def lacking(topology: Topology) -> Mapping[Need, str]:
    """The needs that the release of the domain controllers leaves open, and why."""
    image = topology.dc_image or topology.image
    return load()[image.release].lacks if image.release in load() else {}
