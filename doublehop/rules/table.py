"""What a decision table is: rows of facts, the first that fits decides. Pure data, so that it can be read as it is.

A row names the facts it looks at and the values they must have; what it leaves out does not matter to it.
The last row of a table names none, so every question has an answer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

Fact = bool | str

WINDOWS, SAMBA = "windows", "samba"
PLATFORMS = (SAMBA, WINDOWS)
"""Whose domain controller and clients are asked about; the lab's are Samba and MIT Kerberos."""
HTTP_CLIENT = "HttpClient"
"""What a page in ASP.NET Core asks another page with, on whichever platform; others have other clients."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One row: when these facts hold, this is what follows, and who says so.

    A row with a `platform` counts there only, or with that program: it is half of a documented departure.
    """

    id: str
    then: str
    why: str
    sources: tuple[str, ...]
    when: Mapping[str, Fact] = field(default_factory=dict)
    platform: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One question answered: by which row, and on which facts: its own, and those that kept the rows above it out."""

    question: str
    rule: Rule
    facts: Mapping[str, Fact]

    @property
    def then(self) -> str:
        """What follows."""
        return self.rule.then

    @property
    def told(self) -> str:
        """The decision as one line."""
        facts = ", ".join(f"{name}={_shown(value)}" for name, value in self.facts.items())
        return f"{self.rule.id}: {self.then}" + (f" ({facts})" if facts else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One question, what each of its facts means, and its rows in order."""

    name: str
    question: str
    facts: Mapping[str, str]
    rules: tuple[Rule, ...]

    def decide(self, platforms: Collection[str], **facts: Fact) -> Decision:
        """The first row that fits on these; `facts` are all of the table's facts."""
        used: dict[str, Fact] = {}
        for rule in (each for each in self.rules if each.platform in {"", *platforms}):
            wrong = next((name for name, value in rule.when.items() if facts[name] != value), None)
            if wrong is None:
                used |= {name: facts[name] for name in rule.when}
                return Decision(question=self.question, rule=rule, facts=used)
            used[wrong] = facts[wrong]
        raise AssertionError(f"{self.name} has no last row")


def _shown(value: Fact) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
