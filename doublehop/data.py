"""Where the lab's files and the catalogue are: inside an installed package, or beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
CHECKOUT = not (_PACKAGE / "_data").exists()
_ROOT = _PACKAGE.parent if CHECKOUT else _PACKAGE / "_data"

LAB = _ROOT / "lab"
FIXTURES = _ROOT / "fixtures"
SCENARIOS = FIXTURES / "scenarios"
