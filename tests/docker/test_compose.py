"""`compose.yaml` brought up by a compose program, and the double hop done in it by hand."""

import json
import os
import shutil
import subprocess

import pytest

from doublehop import cache, providers
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.session import Session
from doublehop.wait import until

ROOT = LAB.parent
KILLED = {"dc1": ("root", "samba"), "web1": ("root", "python3 -m doublehop.machine.web"),
          "sql1": ("postgres", "postgres")}
"""What each service's health is about: whose program, and a pattern of its command line."""


def compose_program():
    """The compose program of this machine, or nothing."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True,
                                                 check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.fixture(scope="module")
def compose(engine, not_run):
    """Run the compose program on a project of this test's own, which is up."""
    program = compose_program()
    if program is None:
        not_run("docker-compose missing, try `bin/doublehop setup docker`")
    with Session(providers.make("docker"), topologies.load(), lambda text: None) as session:
        session.lab()  # makes the image where no registry answers
    with cache.locked(cache.folder() / "compose-test.lock"):  # its network is one, and there may be other workers
        yield from up(engine, program)


def up(engine, program):
    """The project, for as long as its tests run."""
    def run(*arguments, timeout=300):
        return subprocess.run([*program, "--project-name", f"dh{os.getpid()}", *arguments], cwd=ROOT, text=True,
                              capture_output=True, timeout=timeout, check=False)

    try:
        done = run("up", "--detach")
        assert done.returncode == 0, done.stderr + run("logs").stdout
        yield run
    finally:
        run("down", "--volumes")
        assert not engine.containers.list(all=True, filters={"label": f"com.docker.compose.project=dh{os.getpid()}"})


def test_a_person_does_the_double_hop(compose):
    page = compose("exec", "-T", "client1", "sh", "-c", 'cd && curl --silent --negotiate -u : "$(cat page)"')
    told = json.loads(page.stdout)
    assert (told["scheme"], told["user"], told["level"]) == ("Kerberos", "lab-alice@DOUBLEHOP.TEST", "Delegate")
    assert told["back_ends"]["sql"]["login"] == "lab-alice"


def test_the_last_service_has_asked_already(engine, compose):
    (hop,) = engine.containers.list(all=True, filters={"label": [f"com.docker.compose.project=dh{os.getpid()}",
                                                                 "com.docker.compose.service=hop"]})
    assert hop.wait(timeout=60)["StatusCode"] == 0
    assert '"login": "lab-alice"' in compose("logs", "hop").stdout


def test_the_user_can_sign_in_anew_and_nobody_without_a_ticket_gets_in(compose):
    anew = compose("exec", "-T", "client1", "sh", "-c", 'cd && kinit "$(cat user)" <password && klist -s')
    assert anew.returncode == 0, anew.stderr
    without = compose("exec", "-T", "client1", "sh", "-c",
                      'cd && KRB5CCNAME=FILE:/none curl --silent --negotiate -u : --write-out "%{http_code}" '
                      '--output /dev/null "$(cat page)"')
    assert without.stdout == "401"


@pytest.mark.parametrize("name", KILLED)
def test_a_service_that_does_not_answer_is_not_healthy(engine, compose, name):
    """The last tests of this project: they end what it is made of."""
    (container,) = engine.containers.list(filters={"label": [f"com.docker.compose.project=dh{os.getpid()}",
                                                             f"com.docker.compose.service={name}"]})
    check = container.attrs["Config"]["Healthcheck"]["Test"][1]
    assert container.exec_run(["sh", "-c", check]).exit_code == 0
    user, program = KILLED[name]
    assert container.exec_run(["pkill", "-KILL", "--full", program], user=user).exit_code == 0
    until("the end of what was killed", 20, lambda: container.exec_run(["sh", "-c", check]).exit_code or None)
