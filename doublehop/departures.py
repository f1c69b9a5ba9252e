"""Where the lab's platform differs from Windows, as data: what, why, who says so and since when. Pure but for its file.

A departure names the rule that counts on Windows only and the scenarios that show the lab's behaviour. It fails when
it stops being true: those scenarios have to go on agreeing, and the two platforms' predictions to differ.
"""

import datetime
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doublehop.data import FIXTURES
from doublehop.errors import InputError
from doublehop.frontend import STRICT

PATH = FIXTURES / "departures.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """One documented difference; `follows` are further rows of the tables that only this one leads to."""

    __pydantic_config__ = STRICT

    id: str
    platform: str
    row: str
    rule: str
    scenarios: tuple[str, ...]
    windows: str
    here: str
    reason: str
    source: str
    date: datetime.date
    follows: tuple[str, ...] = ()


READ = TypeAdapter(Departure)


def load(path: Path = PATH) -> list[Departure]:
    """Every departure.

    Raises InputError with file and key when one cannot be used.
    """
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise InputError(str(path), str(failure)) from failure
    try:
        return [READ.validate_python({"id": name, **table}) for name, table in tables.items()]
    except ValidationError as failure:
        first = failure.errors()[0]
        raise InputError(str(path), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from failure
