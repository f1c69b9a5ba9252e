"""Reports: what is written can be read, what is cut short or does not add up is refused, JUnit is well-formed."""

import dataclasses
import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop import report
from doublehop.errors import InputError
from doublehop.lab import Secret, new_password
from doublehop.model import BackEndSaw, Difference, KdcLine, Logged, Observation, Result, Verdict, VerdictKind
from doublehop.report import Line, Report

AGREED, DISAGREED, BROKEN, NOT_RUN = VerdictKind

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2), max_leaves=4,
)
lines = st.builds(
    Line, id=st.text(), verdict=st.sampled_from(VerdictKind), seconds=st.floats(0, 1e6), reason=st.text(),
    differences=st.lists(st.builds(Difference, hop=st.text(), field=st.text(), expected=st.text(),
                                   observed=st.text()), max_size=2).map(tuple),
    observation=st.none() | st.dictionaries(st.text(), json_values, max_size=2),
    logged=st.lists(st.builds(Logged, machine=st.text(), log=st.text(), text=st.text(), time=st.text(),
                              data=st.dictionaries(st.text(), json_values, max_size=2)), max_size=2).map(tuple),
)
reports = st.builds(Report, about=st.dictionaries(st.text(), st.text(), max_size=2),
                    lines=st.lists(lines, max_size=4).map(tuple))

DIFFERENCE = Difference(hop="client", field="status", expected="200", observed="401")
SMALL = Report(about={"provider": "fake"}, lines=(
    Line(id="a::one", verdict=AGREED, seconds=0.5),
    Line(id="a::two", verdict=DISAGREED, seconds=0.25, differences=(DIFFERENCE, DIFFERENCE)),
    Line(id="b::one", verdict=BROKEN, seconds=0.25, reason="dc1 died; its last log lines:\n    <none>"),
    Line(id="b::two", verdict=NOT_RUN, seconds=0, reason="the fake lab lacks rbcd"),
))


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("report") / "report.jsonl"


@given(reports)
def test_what_is_written_is_read_back(path, written):
    report.write(written, path)
    assert report.read(path) == written


@given(reports)
def test_a_report_without_its_footer_is_refused(path, written):
    report.write(written, path)
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:-1]))
    with pytest.raises(InputError):
        report.read(path)


def _rows():
    header, *rest, footer = [
        {"doublehop": 1, "about": {"provider": "fake"}},
        *(json.loads(json.dumps(dataclasses.asdict(each))) for each in SMALL.lines),
        {"end": {"agreed": 1, "disagreed": 1, "broken": 1, "not run": 1}},
    ]
    return header, rest, footer


HEADER, ROWS, FOOTER = _rows()
REFUSED = {
    "empty": ([], "expected a first line"),
    "only a header": ([HEADER], "the run did not end"),
    "no header": ([*ROWS, FOOTER], "expected a first line with \"doublehop\": 1"),
    "another version": ([{**HEADER, "doublehop": 2}, *ROWS, FOOTER], "expected a first line with \"doublehop\": 1"),
    "a header about nothing": ([{"doublehop": 1}, *ROWS, FOOTER], "expected a first line"),
    "a list for a header": ([[], *ROWS, FOOTER], "expected a first line"),
    "cut short": ([HEADER, *ROWS], "the run did not end"),
    "cut in a line": ([HEADER, *ROWS, FOOTER], "not a report: ", -9),
    "a number at its end": ([HEADER, *ROWS, 7], "the run did not end"),
    "a list at its end": ([HEADER, *ROWS, ["end"]], "the run did not end"),
    "two footers": ([HEADER, *ROWS, FOOTER, FOOTER], ":6: not a scenario's line"),
    "a line after the footer": ([HEADER, *ROWS[1:], FOOTER, ROWS[0]], "the run did not end"),
    "a line lost": ([HEADER, *ROWS[1:], FOOTER], "the counts in the last line are not those"),
    "a line twice": ([HEADER, ROWS[0], *ROWS, FOOTER], "the counts in the last line are not those"),
    "an unknown verdict": ([HEADER, {**ROWS[0], "verdict": "fine"}, FOOTER], ":2: not a scenario's line"),
    "an unknown field": ([HEADER, {**ROWS[0], "colour": "red"}, FOOTER], ":2: not a scenario's line"),
    "no id": ([HEADER, {key: value for key, value in ROWS[0].items() if key != "id"}, FOOTER], ":2: not a scenario's"),
    "a number for a line": ([HEADER, 7, FOOTER], ":2: not a scenario's line"),
    "text for a difference": ([HEADER, {**ROWS[0], "differences": ["x"]}, FOOTER], ":2: not a scenario's line"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_whole_report_is_refused(tmp_path, case):
    rows, problem, *cut = case
    path = tmp_path / "report.jsonl"
    path.write_text("\n".join(map(json.dumps, rows))[: cut[0] if cut else None])
    with pytest.raises(InputError) as refusal:
        report.read(path)
    assert str(refusal.value).startswith(str(path))
    assert problem in str(refusal.value)


@pytest.mark.parametrize("content", [b"hello", b"\xff", None], ids=["words", "bytes", "missing"])
def test_another_file_is_not_a_report(tmp_path, content):
    path = tmp_path / "report.jsonl"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match="not a report"):
        report.read(path)


def test_all_four_ends_are_counted_and_named():
    assert SMALL.counts == {AGREED: 1, DISAGREED: 1, BROKEN: 1, NOT_RUN: 1}
    assert report.summary(report.count([AGREED, AGREED, BROKEN])) == "2 agreed, 0 disagreed, 1 broken, 0 not run"


def test_a_line_keeps_what_was_observed(scenario, path):
    made = scenario('when.get = "http://{web1}/"\nexpect = { status = 200, sees.sql = "alice" }')
    observation = Observation(back_ends={"sql": BackEndSaw(identity="x")},
                              kdc=(KdcLine(kind="TGS", client="a", service="b"),))
    result = Result(scenario=made, verdict=Verdict(kind=DISAGREED, differences=(DIFFERENCE,)),
                    observation=observation, seconds=1.23456)
    written = Report(about={}, lines=(report.line_of(result),))
    report.write(written, path)
    (line,) = report.read(path).lines
    assert (line.id, line.verdict, line.differences, line.seconds) == ("topic::it", DISAGREED, (DIFFERENCE,), 1.2346)
    assert line.observation is not None
    assert line.observation["back_ends"]["sql"]["identity"] == "x"
    assert line.observation["kdc"][0]["service"] == "b"
    assert line == written.lines[0]


def test_junit_names_each_end_its_own_way():
    suite = ElementTree.fromstring(report.junit(SMALL))
    assert suite.attrib == {"name": "doublehop", "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
                            "time": "1.000"}
    assert [(each.get("classname"), each.get("name"), [child.tag for child in each]) for each in suite] == [
        ("a", "one", []), ("a", "two", ["failure"]), ("b", "one", ["error"]), ("b", "two", ["skipped"])]
    failure, error, skipped = (each[0] for each in list(suite)[1:])
    assert failure.get("message") == "client: status: expected 200, observed 401"
    assert failure.text == "\n".join(["client: status: expected 200, observed 401"] * 2)
    assert error.get("message") == "dc1 died; its last log lines:"
    assert "<none>" in str(error.text)
    assert skipped.get("message") == "the fake lab lacks rbcd"


@given(reports)
def test_junit_is_well_formed_and_counted_whatever_was_seen(written):
    suite = ElementTree.fromstring(report.junit(written))
    assert [int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")] == [
        len(written.lines), *(written.counts[each] for each in (DISAGREED, BROKEN, NOT_RUN))]
    assert len(suite) == len(written.lines)


def test_a_secret_shows_in_no_repr():
    secret = Secret(account="web1$", principal="WEB1$@X", salt="s", kvno=2, password=new_password())
    shown = f"{secret} {secret!r} {[secret]} {dataclasses.replace(secret, kvno=3)!r}"
    assert secret.password not in shown
    assert "web1$" in shown


def test_no_password_is_another():
    made = {new_password() for _ in range(20)}
    assert len(made) == 20
    assert min(map(len, made)) >= 24
