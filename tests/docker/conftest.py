"""What the docker tests share; without an engine each of them is not run, and says what helps."""


import docker
import pytest

from doublehop import catalogue, providers
from doublehop import topology as topologies
from doublehop.session import Session


@pytest.fixture(scope="session", autouse=True)
def engine(not_run):
    """The engine's interface."""
    problems = providers.make("docker").check()
    if problems:
        not_run("; ".join(problems))
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def session():
    """A session of this test's own."""
    with Session(providers.make("docker"), topologies.load(), lambda text: None) as own:
        yield own


@pytest.fixture(scope="session")
def scenario():
    return catalogue.select(catalogue.load(topologies.load()), ["constrained::listed"])[0]
