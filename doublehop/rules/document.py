"""The decision tables as a page: `python -m doublehop.rules.document > docs/decision-table.md`."""

import sys
from collections.abc import Iterator

from doublehop import departures
from doublehop.rules import TABLES, Rule, Table

HEAD = """\
# Decision table

Made from `doublehop/rules/`; a test compares the two. Each table answers one question; the first row that fits decides,
and an empty cell does not matter to its row. `doublehop explain ID` names the row that decided at each step.
Sources are rows of `fixtures/behaviours.toml`. A row marked *Windows* or *Samba* counts on that platform only: see the
departures at the end. One marked *HttpClient* counts where a page asks with that (`fixtures/front-ends.toml`).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for table in TABLES for line in _table(table)), *_departures()])


def _table(table: Table) -> Iterator[str]:
    facts = [name for name in table.facts if any(name in rule.when for rule in table.rules)]
    yield from (f"## {table.question}", "")
    yield from (f"- *{name}*: {meaning}" for name, meaning in table.facts.items())
    yield from ("", f"| rule | {' | '.join(facts)} | then | why | sources |", f"|{'---|' * (len(facts) + 4)}")
    yield from (_row(rule, facts) for rule in table.rules)
    yield ""


def _row(rule: Rule, facts: list[str]) -> str:
    cells = [_cell(rule.when.get(name, "")) for name in facts]
    name = f"`{rule.id}`" + (f" (*{rule.platform[0].upper()}{rule.platform[1:]}*)" if rule.platform else "")
    return f"| {' | '.join([name, *cells, f'**{rule.then}**', rule.why, ', '.join(rule.sources)])} |"


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _departures() -> Iterator[str]:
    yield from ("## Departures of this lab from Windows", "",
                "| row | Windows | here | reason | source, date | shown by |", "|---|---|---|---|---|---|")
    for each in departures.load():
        yield (f"| {each.row} | {each.windows} | {each.here} | {each.reason} | {each.source}, {each.date} | "
               f"{', '.join(each.scenarios)} |")
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
