"""One configuration being decided about: its look-ups, the platforms, and every decision so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from doublehop.model import Expect
from doublehop.rules.table import Decision, Fact, Table
from doublehop.rules.world import World


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What should be seen at every hop, and the decisions that lead there, in order."""

    expect: Expect
    decisions: tuple[Decision, ...]


@dataclass(slots=True)
class Asked:
    """A configuration with every decision made about it so far."""

    world: World
    platforms: tuple[str, ...]
    decisions: list[Decision] = field(default_factory=list)

    def decide(self, table: Table, facts: Mapping[str, Fact]) -> str:
        """Ask a table, remember its answer."""
        self.decisions.append(table.decide(self.platforms, **facts))
        return self.decisions[-1].then

    def ends(self, expect: Expect) -> Prediction:
        """The prediction that all this came to."""
        return Prediction(expect=expect, decisions=tuple(self.decisions))
