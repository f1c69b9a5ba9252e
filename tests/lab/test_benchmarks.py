"""The benchmarks' command, as benchmarks/README.md has it."""

import re
import subprocess
import sys

from doublehop.data import LAB


def test_processes_find_the_work_that_the_command_gives_them():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "catalogue", "--rounds=1", "--only=constrained::listed",
         "--only=constrained::empty-list"], cwd=LAB.parent, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^2 whole, 2 workers +[0-9.]+ s   floor +[0-9.]+ s   ratio +[0-9.]+ ", done.stdout, re.MULTILINE)
