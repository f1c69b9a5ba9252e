"""The report of a run: JSON lines that can be read back, and JUnit XML for others. Pure but for its file.

A report is a header, a line for each scenario, and a footer with the counts. One without its footer is
refused when read: a truncated report may lack just the line that mattered.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from doublehop.errors import InputError
from doublehop.model import Difference, Logged, Result, VerdictKind

FORMAT = 1
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that no XML document can hold (XML 1.0 section 2.2); log lines have some."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One scenario's end as a report keeps it."""

    id: str
    verdict: VerdictKind
    seconds: float
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    observation: Mapping[str, Any] | None = None
    logged: tuple[Logged, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A whole report; `about` names provider and versions."""

    about: Mapping[str, str]
    lines: tuple[Line, ...]

    @property
    def counts(self) -> dict[VerdictKind, int]:
        """How often each end occurred, all four named."""
        return count(each.verdict for each in self.lines)


def count(verdicts: Iterable[VerdictKind]) -> dict[VerdictKind, int]:
    """How often each of the four ends occurred."""
    found = Counter(verdicts)
    return {kind: found[kind] for kind in VerdictKind}


def summary(counts: Mapping[VerdictKind, int]) -> str:
    """The line a run ends with."""
    return ", ".join(f"{counts[kind]} {kind}" for kind in VerdictKind)


def line_of(result: Result) -> Line:
    """What of a result goes into a report."""
    observation = None
    if result.observation is not None:
        observation = json.loads(json.dumps(dataclasses.asdict(result.observation)))  # as it will be read back
    return Line(id=result.scenario.id, verdict=result.verdict.kind, seconds=round(result.seconds, 4),
                reason=result.verdict.reason, differences=result.verdict.differences, observation=observation,
                logged=result.logged)


def write(report: Report, path: Path) -> None:
    """Write a report as JSON lines."""
    rows: list[dict[str, Any]] = [{"doublehop": FORMAT, "about": dict(report.about)}]
    rows += [dataclasses.asdict(each) for each in report.lines]
    rows.append({"end": {str(kind): number for kind, number in report.counts.items()}})
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))


def read(path: Path) -> Report:
    """Read a report back.

    Raises InputError when it is not one, is cut short, or does not add up.
    """
    where = str(path)
    try:
        rows = [json.loads(each) for each in path.read_text().splitlines()]
    except (OSError, ValueError) as failure:
        raise InputError(where, f"not a report: {failure}") from failure
    header, footer = (rows[0], rows[-1]) if rows else (None, None)
    if not isinstance(header, dict) or header.get("doublehop") != FORMAT or not isinstance(header.get("about"), dict):
        raise InputError(where, f"expected a first line with \"doublehop\": {FORMAT} and \"about\"")
    if not isinstance(footer, dict) or "end" not in footer:
        raise InputError(where, "the report has no last line with counts: the run did not end")
    lines = tuple(_line(each, f"{where}:{number}") for number, each in enumerate(rows[1:-1], start=2))
    report = Report(about=header["about"], lines=lines)
    if footer["end"] != {str(kind): number for kind, number in report.counts.items()}:
        raise InputError(where, "the counts in the last line are not those of the lines before it")
    return report


def _line(row: Any, where: str) -> Line:
    try:
        row = dict(row)
        differences = tuple(Difference(**each) for each in row.pop("differences"))
        logged = tuple(Logged(**each) for each in row.pop("logged", ()))  # older reports have none
        return Line(**{**row, "verdict": VerdictKind(row["verdict"])}, differences=differences, logged=logged)
    except (KeyError, TypeError, ValueError) as failure:
        raise InputError(where, f"not a scenario's line: {failure}") from failure


def junit(report: Report) -> str:
    """The same as JUnit XML: disagreed is a failure, broken an error, not run a skip with its reason."""
    counts = report.counts
    suite = ElementTree.Element("testsuite", {
        "name": "doublehop", "tests": str(len(report.lines)), "failures": str(counts[VerdictKind.DISAGREED]),
        "errors": str(counts[VerdictKind.BROKEN]), "skipped": str(counts[VerdictKind.NOT_RUN]),
        "time": f"{sum(each.seconds for each in report.lines):.3f}",
    })
    elements = {VerdictKind.DISAGREED: "failure", VerdictKind.BROKEN: "error", VerdictKind.NOT_RUN: "skipped"}
    for each in report.lines:
        topic, _, name = each.id.partition("::")
        case = ElementTree.SubElement(suite, "testcase", {
            "classname": topic, "name": name, "time": f"{each.seconds:.3f}",
        })
        if each.verdict in elements:
            text = _text(each)
            child = ElementTree.SubElement(case, elements[each.verdict], {"message": text.partition("\n")[0]})
            child.text = text
    xml = ElementTree.tostring(suite, encoding="unicode")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", xml) + "\n"


def _text(line: Line) -> str:
    why = [line.reason] if line.reason else [
        f"{each.hop}: {each.field}: expected {each.expected}, observed {each.observed}" for each in line.differences]
    return "\n".join([*why, *(f"{each.machine}: {each.log}: {each.text}" for each in line.logged)])
