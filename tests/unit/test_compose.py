"""`compose.yaml` is the topology's lab, and nobody's way out."""

import re

import pytest

from doublehop import compose
from doublehop.data import LAB
from doublehop.model import Role
from doublehop.providers import docker
from doublehop.providers.image import ENVIRONMENT, WRITABLE
from doublehop.topology import NETWORKS

FILE = LAB.parent / "compose.yaml"


@pytest.fixture
def text():
    return FILE.read_text()


def service(text, name):
    """The lines of one service."""
    return text.partition(f"\n  {name}:\n")[2].partition("\n\n")[0]


def test_compose_yaml_is_made_from_the_topology(topology, text):
    assert text == compose.page(topology.for_compose), "run python -m doublehop.compose > compose.yaml"


def test_its_network_is_none_that_a_docker_lab_takes(topology):
    own = topology.for_compose.network
    assert not any(topology.beside(number).network.overlaps(own) for number in range(NETWORKS))


def test_every_machine_is_a_service_with_its_address_and_a_health_check(topology, text):
    for name, spec in topology.for_compose.machines.items():
        lines = service(text, name)
        assert f"hostname: {name}\n" in lines
        assert f"ipv4_address: {spec.address}" in lines
        assert "healthcheck:" in lines and compose.HEALTH[spec.role].split()[0] in lines


def test_what_is_asked_is_another_question_for_each_role():
    assert set(compose.HEALTH) == set(Role)
    assert len({*compose.HEALTH.values()}) == len(Role)


def test_containers_are_those_of_the_docker_provider(topology, text):
    assert f"image: doublehop/machine:{topology.image.release}\n" in text
    assert f"cap_add: [{', '.join(docker.CAPABILITIES)}]" in text
    assert "cap_drop: [ALL]" in text and "security_opt: [no-new-privileges]" in text
    assert all(f"    {name}: \"{value}\"\n" in text for name, value in ENVIRONMENT.items())
    assert all(f"    - {path}:{options}\n" in text for path, options in WRITABLE.items())
    assert text.count(f"{docker.LABEL}: compose") == 3, "containers, network and volume"


def test_nothing_is_published_or_privileged(text):
    assert "internal: true" in text and 'inhibit_ipv4: "true"' in text
    keys = set(re.findall(r"^\s*([\w-]+):", text, re.MULTILINE))
    assert not keys & {"ports", "expose", "privileged", "pid", "ipc", "devices", "userns_mode", "secrets"}


def test_the_page_is_asked_for_once_everything_is_healthy(topology, text):
    waits = dict(re.findall(r"^      (\w+): \{condition: (\w+)\}", service(text, "hop"), re.MULTILINE))
    assert waits == dict.fromkeys([*topology.machines, "scenario"], "service_healthy")


def test_what_holds_the_scenario_has_no_network_and_no_rights(text):
    for name in ("scenario", "hop"):
        assert "network_mode: none\n" in service(text, name)
        assert "*container" in service(text, name), "and so none of the machines' capabilities"
