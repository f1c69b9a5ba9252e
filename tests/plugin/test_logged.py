"""What machines with logs of their own say of a scenario, and when they are asked: a lab whose machines keep some."""

import dataclasses
import json
from contextlib import contextmanager
from typing import Any

import pytest

from doublehop import catalogue
from doublehop import topology as topologies
from doublehop.explain import explain
from doublehop.model import Logged, VerdictKind
from doublehop.providers import fake
from doublehop.report import Report, junit, line_of, read, write
from doublehop.session import Session, silent
from tests.plugin.test_plugin import DIES, LET_IN, REFUSED

RECORD: dict[str, Any] = {"log": "IIS", "text": "GET /whoami: 401 2 5", "time": "2026-11-23T12:00:05Z",
                          "data": {"sc-status": "401"}}
TOPOLOGY = topologies.load()
REGISTERED = """
[registered]
title = "Nothing is asked of a web server"
why = "It is the fake lab."
sources = []
when = { register = "HTTP/{web1}", on = "web1" }
expect.directory = "constraintViolation"
"""


class KeepingLogs(fake.FakeProvider):
    """The fake lab, on machines that keep logs."""

    @contextmanager
    def up(self, topology, provision, progress):
        with super().up(topology, provision, progress) as site:
            yield dataclasses.replace(site, keeps_logs=True)


@pytest.fixture
def asked(monkeypatch):
    """The operations that each machine was asked for, and the machines' answer to `logged`."""
    asked = []
    send = fake.FakeStream.send

    def sent(self, line):
        asked.append(json.loads(line)["op"])
        send(self, line)

    monkeypatch.setattr(fake.FakeStream, "send", sent)
    monkeypatch.setitem(fake.ANSWERS, "logged", [RECORD])
    return asked


@pytest.fixture
def run(tmp_path):
    def run(text, provider=KeepingLogs):
        path = tmp_path / "it.toml"
        path.write_text(text)
        (scenario,) = catalogue.load_files([path], TOPOLOGY, [])
        with Session(provider(), TOPOLOGY, silent) as session:
            return session.run(scenario)

    return run


def test_who_takes_part_in_a_disagreement_says_what_it_logged(run, asked, tmp_path):
    result = run(LET_IN)
    assert result.verdict.kind is VerdictKind.DISAGREED
    assert result.logged == tuple(Logged(machine=each, **RECORD) for each in ("dc1", "web1", "sql1", "client1"))
    assert "  evidence: web1: IIS: GET /whoami: 401 2 5" in explain(result, TOPOLOGY)
    assert asked.index("logged") < asked.index("sign_out"), "while the scenario's configuration stands"

    report = Report(about={}, lines=(line_of(result),))
    write(report, tmp_path / "report.jsonl")
    assert read(tmp_path / "report.jsonl").lines[0].logged == result.logged
    assert "\nsql1: IIS: GET /whoami: 401 2 5\n" in junit(report)


@pytest.mark.parametrize(("scenario", "provider"), [
    (REFUSED, KeepingLogs), (REGISTERED, KeepingLogs), (LET_IN, fake.FakeProvider)],
    ids=["agreed", "a registration", "machines without logs"])
def test_nobody_else_is_asked(run, asked, scenario, provider):
    assert run(scenario, provider).logged == ()
    assert "logged" not in asked


def test_a_broken_scenario_keeps_what_the_others_logged(run, asked):
    """The machine that died says so in its place."""
    result = run(DIES)
    assert result.verdict.kind is VerdictKind.BROKEN
    assert [each.machine for each in result.logged if each.log == "IIS"] == ["dc1", "web1", "sql1"]
    (died,) = [each for each in result.logged if each.log != "IIS"]
    assert (died.machine, died.log) == ("client1", "logs")
    assert died.text.startswith("not told: client1 died")
    assert "  evidence: dc1: IIS: GET /whoami: 401 2 5" in explain(result, TOPOLOGY)
