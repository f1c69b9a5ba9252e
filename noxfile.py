"""Sessions for people who work on doublehop: `nox -s unit`, `plugin`, `lab`, `types`, `lint`, `benchmarks`."""

import nox

nox.options.sessions = ["lint", "types", "unit", "plugin"]


def _install(session: nox.Session) -> None:
    session.install("--editable", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style; changes nothing."""
    _install(session)
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    _install(session)
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """The pure layers, in milliseconds."""
    _install(session)
    session.run("pytest", "tests/unit", *session.posargs)


@nox.session
def plugin(session: nox.Session) -> None:
    """The plugin on the fake provider."""
    _install(session)
    session.run("pytest", "tests/plugin", *session.posargs)


@nox.session
def lab(session: nox.Session) -> None:
    """The catalogue and the machines, in a real lab."""
    _install(session)
    session.run("pytest", "tests/lab", *session.posargs)


@nox.session
def docker(session: nox.Session) -> None:
    """The docker lab; not run where no engine is."""
    _install(session)
    session.run("pytest", "tests/docker", *session.posargs)


@nox.session
def vagrant(session: nox.Session) -> None:
    """The lab by Vagrant; not run where Vagrant or an engine is missing."""
    _install(session)
    session.run("pytest", "tests/vagrant", *session.posargs)


@nox.session
def windows(session: nox.Session) -> None:
    """The Windows scripts under PowerShell's engine; not run where no pwsh is."""
    _install(session)
    session.run("pytest", "tests/windows", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Figures beside their floors."""
    _install(session)
    session.run("python", "-m", "benchmarks")
