"""What a domain controller's agent says of its Samba when others have lost it."""

import subprocess

import pytest

from doublehop.machine import dc


class _Samba:
    """A process that has closed its connections; whether it is gone is known to whoever waits for it."""

    def __init__(self, *, dies: bool) -> None:
        self._dies = dies
        self._code: int | None = None

    def poll(self):
        return self._code

    def wait(self, timeout):
        if not self._dies:
            raise subprocess.TimeoutExpired("samba", timeout)
        self._code = -9
        return self._code


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Has the agent run this Samba, whose log is there."""
    log = tmp_path / "samba.log"
    log.write_text("its last words\n")
    monkeypatch.setattr(dc, "LOG", log)
    return lambda samba: monkeypatch.setattr(dc, "_samba", [samba])


def test_a_samba_that_dies_is_told_of_by_its_last_words_though_it_was_there_a_moment_ago(runs):
    """As its connections are closed before it can be waited for, a check that only looked would find it well."""
    runs(_Samba(dies=True))
    assert dc.log_mark() == len("its last words\n"), "who only looks"
    with pytest.raises(RuntimeError, match=r"^samba ended:\nits last words$"):
        dc.check()


def test_a_samba_that_runs_is_well(runs):
    runs(_Samba(dies=False))
    dc.check()
