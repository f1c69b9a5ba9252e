"""The plugin as its users meet it, on the fake provider: a web server that lets nobody in."""

import pytest

TESTS = """
import pytest

@pytest.mark.delegation
def test_scenario(scenario_result, settle):
    settle(scenario_result)
"""
REFUSED = """
[refused]
title = "Everyone is refused"
why = "It is the fake lab."
sources = []
given.users.alice = {}
when.get = "http://{web1}/whoami"
expect.status = 401
"""
LET_IN = REFUSED.replace("[refused]", "[let-in]").replace("401", "404")
NEEDS_MORE = REFUSED.replace("[refused]", '[needs-more]\nneeds = ["offline-directory"]')
DIES = REFUSED.replace("[refused]", "[dies]").replace("whoami", "dies")
SILENT = REFUSED.replace("[refused]", "[silent]").replace("whoami", "silent")


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the plugin's tests in a process of its own, over these scenarios."""

    def run(*scenarios, options=()):
        pytester.makepyfile(TESTS)
        path = pytester.path / "bugs.toml"
        path.write_text("\n".join(scenarios))
        return pytester.runpytest_subprocess(
            "--lab=fake", f"--lab-scenarios={path}", "-m", "delegation", "--strict-markers", *options
        )

    return run


def test_an_agreed_scenario_passes_and_is_counted(run):
    result = run(REFUSED)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["lab: fake,*1 scenarios*", "*1 agreed, 0 disagreed, 0 broken, 0 not run*"])


def test_a_disagreement_fails_and_is_explained(run):
    result = run(LET_IN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*client: status: expected 404, observed 401*", "*0 agreed, 1 disagreed*"])


def test_a_missing_need_is_not_run_and_says_which(run):
    result = run(NEEDS_MORE)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["not run: the fake lab lacks offline-directory", "*0 broken, 1 not run*"])


def test_strict_turns_not_run_into_failure(run):
    result = run(NEEDS_MORE, options=["--lab-strict"])
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 not run*"])


@pytest.mark.parametrize(("scenario", "text"), [
    pytest.param(DIES, "client1 died; its last log lines:", id="a machine dies"),
    pytest.param(SILENT, "an answer did not happen within", id="a machine stays silent"),
])
def test_a_failing_lab_is_broken_and_never_disagreed(run, scenario, text):
    result = run(scenario)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{text}*", "*0 disagreed, 1 broken*"])


@pytest.mark.parametrize("error", ["HostError('bwrap missing')", "InputError('options.json', 'no JSON')"])
def test_a_machine_that_can_have_no_lab_says_so_without_a_traceback(run, pytester, error):
    pytester.makeconftest(f"""
        from doublehop.errors import HostError, InputError
        from doublehop.providers.fake import FakeProvider

        def up(*_):
            raise {error}

        FakeProvider.up = up
    """)
    result = run(REFUSED)
    assert result.parseoutcomes().keys() <= {"failed", "error", "errors"}
    result.stdout.fnmatch_lines([f"no lab on this machine: {error.split(chr(39))[1]}*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*raise *")


def test_the_lab_is_rebuilt_once_and_then_nothing_is_run(run):
    again = [DIES.replace("[dies]", f"[dies{number}]") for number in (1, 2)]
    result = run(again[0], REFUSED, again[1], LET_IN)
    result.assert_outcomes(passed=1, failed=2, skipped=1)
    result.stdout.fnmatch_lines(["*1 agreed, 0 disagreed, 2 broken, 1 not run*"])


def test_two_workers_count_together(run):
    result = run(REFUSED, LET_IN, options=["-n", "2"])
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*1 agreed, 1 disagreed, 0 broken, 0 not run*"])


def test_evidence_is_written_for_each_scenario(run, pytester):
    run(REFUSED, options=["--lab-evidence=seen"])
    assert '"verdict": "agreed"' in (pytester.path / "seen" / "bugs--refused.jsonl").read_text()


@pytest.mark.parametrize(("options", "text"), [
    pytest.param(["--lab=cloud"], "--lab: expected one of *local*, not 'cloud'", id="unknown provider"),
    pytest.param(["--lab-front-end=iis"],
                 "--lab-front-end: expected one of reference, aspnetcore, aspnet, aspnetcore-iis, not 'iis'",
                 id="unknown front end"),
    pytest.param(["--lab-scenarios=nowhere.toml"], "nowhere.toml: ", id="missing scenario file"),
])
def test_wrong_options_stop_before_anything_starts(pytester, options, text):
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{text}*"])
