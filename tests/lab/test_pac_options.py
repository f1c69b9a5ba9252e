"""A service that does not say that it knows resource-based delegation is given none of it (row C-16).

It says so with a flag of PA-PAC-OPTIONS (MS-SFU 2.2.5, MS-KILE 2.2.10). MIT sets the flag in every S4U2Proxy
request and has no switch for that; Heimdal 7 is older than the flag, and its kgetcred asks without it.
"""

import pytest

from doublehop.kdclog import RESULT, parse
from doublehop.model import Principal

TARGET = "MSSQLSvc/{sql1}"
GRANTED, REFUSED = ("", ""), ("KDC_ERR_BADOPTION", "Constrained delegation not allowed")
"""The KDC's error and reason. A refusal reads as if nothing named the service: the KDC does not say what it lacks."""


def heimdal(run, service, user, target):
    """S4U2Self, whose ticket is then the evidence for S4U2Proxy."""
    run("kgetcred", "--cache=FILE:own", "--out-cache=FILE:evidence", f"--impersonate={user}", service).check()
    return run("kgetcred", "--cache=FILE:own", "--out-cache=FILE:proxy", "--delegation-credential-cache=FILE:evidence",
               target)


def mit(run, service, user, target):  # kvno finds the service in its cache
    """Both in one."""
    return run("kvno", "-c", "FILE:own", "--out-cache", "FILE:proxy", "-I", user, "-P", target)


@pytest.fixture
def run(lab):
    """Run a program on web1 in a folder for this test's caches."""
    web1 = lab.machines["web1"]
    folder = web1.run("mktemp", "--directory").check().stdout.strip()
    yield lambda *argv, stdin="": web1.run("env", f"--chdir={folder}", *argv, stdin=stdin)
    web1.run("rm", "--recursive", folder).check()


@pytest.fixture
def answer(lab, directory, lab_bench, run):
    """Ask as a service, by S4U2Self and S4U2Proxy, for bob's ticket to the database.

    Gives whether the program got one, and the set of what the KDC answered: refused once, Heimdal tries again.
    """

    def answer(ask, *, listed, named):
        directory.add(users={"bob": Principal()}, accounts={"pool": Principal(
            spns=("HTTP/{web1}",), allowed_to_delegate_to=listed, trusted_to_auth_for_delegation=True,
        )}, computers={"sql1": Principal(principals_allowed_to_delegate_to_account=("pool",) if named else ())})
        service, user = lab_bench.scope.principal("pool"), lab_bench.scope.principal("bob")
        target = directory.fill(TARGET)
        run("kinit", "-c", "FILE:own", service, stdin=lab_bench.passwords["pool"]).check()
        mark = lab.dc.ask("log_mark")
        done = ask(run, service, user, target)
        lines = [each for each in parse(lab.dc.ask("log_since", mark=mark, matching=RESULT))
                 if (each.kind, each.service, each.impersonated) == ("TGS", target, directory.account("bob"))]
        if done.code == 0:
            ticket = run("klist", "-c", "FILE:proxy").check().stdout
            assert f"Default principal: {user}\n" in ticket
            assert f"  {target}@" in ticket
        else:
            assert "KDC can't fulfill requested option" in done.stderr
        return done.code == 0, {(each.error, each.reason) for each in lines}

    return answer


@pytest.mark.parametrize(("ask", "listed", "named", "expected"), [
    pytest.param(heimdal, (TARGET,), False, GRANTED, id="unannounced and listed"),
    pytest.param(heimdal, (), True, REFUSED, id="unannounced and named by the database"),
    pytest.param(heimdal, ("HTTP/{web2}",), True, REFUSED, id="unannounced, named and another listed"),
    pytest.param(heimdal, (TARGET,), True, GRANTED, id="unannounced, named and listed"),
    pytest.param(mit, (), True, GRANTED, id="announced and named by the database"),
    pytest.param(mit, (), False, REFUSED, id="announced and neither"),
])
def test_only_who_announces_it_is_granted_resource_based_delegation(answer, ask, listed, named, expected):
    """The list is the guard: what Heimdal asks for is granted from it, so nothing else is wrong with its request."""
    assert answer(ask, listed=listed, named=named) == (expected == GRANTED, {expected})


def test_mit_is_what_the_machines_programs_are(run):
    """Heimdal brings a kinit and a klist of its own, which must not take the names of MIT's."""
    for name in ("kinit", "klist", "ktutil", "kdestroy"):
        assert run("readlink", "--canonicalize", f"/usr/bin/{name}").check().stdout == f"/usr/bin/{name}.mit\n"
