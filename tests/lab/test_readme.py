"""The README's commands are run, and print what the README shows."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from doublehop import cache

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
CACHE = cache.folder().parent
OPTIONAL = ("dotnet",)
VARIES = re.compile(r"\d+\.\d\d s")


def _commands(block):
    """Each command of a block with the lines shown below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, shown


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The path of a machine without optional tools, which the README is about: their folders, but for them."""
    folders = []
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        # Asked as programs are looked for, since a path may have folders that are nobody else's.
        if not any(shutil.which(each, path=str(folder)) for each in OPTIONAL):
            folders.append(str(folder))
            continue
        folders.append(str(tmp_path_factory.mktemp("path")))
        for each in folder.iterdir():
            if each.name not in OPTIONAL:
                Path(folders[-1], each.name).symlink_to(each)
    return os.pathsep.join(folders)


def _run(command, path):
    # The whole suite is running already: of `test`, its collection is enough here.
    if command == "bin/doublehop test":
        command += " --collect-only -q"
    return subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "PATH": path})


@pytest.mark.long
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0].removeprefix("$ "))
def test_a_block_of_commands_prints_what_the_readme_shows(block, path):
    for command, shown in _commands(block):
        done = _run(command, path)
        disagrees = any(line.startswith("disagreed") for line in shown)
        assert done.returncode == (1 if disagrees else 0), done.stdout + done.stderr
        printed = [VARIES.sub("", line).rstrip() for line in done.stdout.splitlines()]
        for line in shown:
            if line != "...":
                assert VARIES.sub("", line).rstrip() in printed, f"{command} did not print: {line}"


def test_the_readme_has_its_two_commands():
    commands = [command for block in BLOCKS for command, _ in _commands(block)]
    assert commands[:2] == ["bin/doublehop run", "bin/doublehop test"]


def test_the_page_for_test_writers_shows_a_test_that_works(pytester, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))  # pytester gives the inner run another home
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "writing-tests.md").read_text(), re.DOTALL)
    pytester.makepyfile(code)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
