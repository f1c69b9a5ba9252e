"""Which documented behaviour is shown by which scenario, and why one is not. Pure but for its two files."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from doublehop.data import FIXTURES
from doublehop.model import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One documented behaviour: what is said, by whom, and whether a Linux lab can show it."""

    id: str
    claim: str
    source: str
    lab: str

    @property
    def can_be_shown(self) -> bool:
        """Whether every component the behaviour needs is real in a lab of Linux machines."""
        return self.lab.startswith("yes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """A row with the scenarios that rest on it, or the reason why none does."""

    id: str
    claim: str
    scenarios: tuple[str, ...]
    reason: str

    @property
    def told(self) -> str:
        """The scenarios, or the reason."""
        return ", ".join(self.scenarios) or f"left out: {self.reason or 'not looked at yet'}"


def rows() -> list[Row]:
    """Every documented behaviour of `fixtures/behaviours.toml`."""
    table = tomllib.loads((FIXTURES / "behaviours.toml").read_text())
    return [Row(id=name, **each) for name, each in table.items()]


def left_out() -> dict[str, str]:
    """The rows that no scenario shows, each with its reason; a letter stands for the rest of its group."""
    return {str(name): str(reason) for name, reason in tomllib.loads((FIXTURES / "left-out.toml").read_text()).items()}


def coverage(scenarios: Iterable[Scenario]) -> list[Covered]:
    """Each row with what shows it."""
    scenarios, reasons = list(scenarios), left_out()
    shown = {row.id: tuple(each.id for each in scenarios if row.id in each.sources) for row in rows()}
    return [
        Covered(id=row.id, claim=row.claim, scenarios=shown[row.id],
                reason=reasons.get(row.id, "") or ("" if shown[row.id] else reasons.get(row.id[0], "")))
        for row in rows()
    ]
