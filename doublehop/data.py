"""Where the lab's files and the catalogue are: inside an installed package, or beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_ROOT = _PACKAGE / "_data" if (_PACKAGE / "_data").exists() else _PACKAGE.parent

LAB = _ROOT / "lab"
FIXTURES = _ROOT / "fixtures"
SCENARIOS = FIXTURES / "scenarios"
