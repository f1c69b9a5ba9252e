"""What unit tests share: a guard that keeps the world out, and two factories."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from doublehop import catalogue
from doublehop import topology as topologies
from doublehop.model import Scenario
from doublehop.topology import Topology

ScenarioBuilder = Callable[..., Scenario]

FORBIDDEN = [
    *((socket.socket, each) for each in ("connect", "connect_ex", "bind")),
    (subprocess, "Popen"),
    *((os, each) for each in ("fork", "system", "posix_spawn", "execv", "execve")),
]

settings.register_profile("unit", deadline=None, max_examples=50, database=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or opens a connection could use a lab without saying so."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a unit test starts no process and opens no connection")

    for owner, name in FORBIDDEN:
        monkeypatch.setattr(owner, name, refuse)


@pytest.fixture(scope="session")
def topology() -> Topology:
    """The shipped topology."""
    return topologies.load()


@pytest.fixture
def scenario(tmp_path: Path, topology: Topology) -> ScenarioBuilder:
    """Builds the scenario `topic::it` from the TOML of its table; `before` holds whole tables it starts from."""

    def build(text: str, before: str = "") -> Scenario:
        path = tmp_path / "topic.toml"
        path.write_text(f'{before}\n[it]\ntitle = "t"\nwhy = "w"\nsources = ["S-02"]\n{text}')
        return next(each for each in catalogue.load_files([path], topology) if each.id == "topic::it")

    return build


@pytest.fixture
def load(tmp_path: Path, topology: Topology) -> Callable[..., dict[str, Scenario]]:
    """Loads files given as name=text; gives their scenarios by id."""

    def read(known: Iterable[Scenario] = (), **files: str) -> dict[str, Scenario]:
        paths = [tmp_path / f"{name}.toml" for name in files]
        for path, text in zip(paths, files.values(), strict=True):
            path.write_text(text)
        return {each.id: each for each in catalogue.load_files(paths, topology, known)}

    return read
