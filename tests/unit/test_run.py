"""What a program came to, and errors that carry what was last seen; no program is run here."""

import pytest

from doublehop.errors import AgentFailed, Deadline, DoublehopError, HostError, InputError, LabError, MachineDied
from doublehop.run import CommandResult


def test_a_program_that_succeeded_is_its_own_result():
    result = CommandResult(argv=("true",), code=0, stdout="x", stderr="")
    assert result.check() is result


@pytest.mark.parametrize("code", [1, -9])
def test_a_program_that_failed_is_told_with_all_it_wrote(code):
    result = CommandResult(argv=("ip", "link"), code=code, stdout="out\n", stderr="err\n")
    with pytest.raises(LabError) as failure:
        result.check()
    assert str(failure.value) == f"ip link ended with {code}\nout\nerr"


TEXTS = {
    "input": (InputError("a.toml: b.c", "unexpected key"), "a.toml: b.c: unexpected key"),
    "machine": (MachineDied("web1", ["one", "two"]), "web1 died; its last log lines:\n    one\n    two"),
    "silent machine": (MachineDied("web1", []), "web1 died; its last log lines:\n    (it wrote nothing)"),
    "operation": (AgentFailed("sql1", "start", "no port"), "sql1: start failed: no port"),
    "deadline": (Deadline("port 88", 2.5, "refused"), "port 88 did not happen within 2.5 s; last seen: refused"),
    "blind deadline": (Deadline("port 88", 30), "port 88 did not happen within 30 s"),
}


@pytest.mark.parametrize(("error", "text"), TEXTS.values(), ids=TEXTS)
def test_an_error_says_what_where_and_what_was_seen_last(error, text):
    assert str(error) == text
    assert isinstance(error, DoublehopError)


def test_a_fault_of_the_lab_is_never_one_of_the_reader():
    assert not issubclass(LabError, InputError | HostError)
    assert all(issubclass(each, LabError) for each in (MachineDied, AgentFailed, Deadline))
