"""What the Vagrant tests share; without Vagrant or an engine each of them is not run, and says what helps."""

import docker
import pytest

from doublehop import providers
from doublehop import topology as topologies
from doublehop.providers.vagrant import CHOICE
from doublehop.session import Session


@pytest.fixture(scope="session", autouse=True)
def engine(not_run):
    """The engine's interface, where Vagrant is there too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHOICE, "docker")
        problems = providers.make("vagrant").check()
        if problems:
            not_run("; ".join(problems))
        client = docker.from_env()
        yield client
        client.close()


@pytest.fixture
def session():
    """A session of this test's own."""
    with Session(providers.make("vagrant"), topologies.load(), lambda text: None) as own:
        yield own
