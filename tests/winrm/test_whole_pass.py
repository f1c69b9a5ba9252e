"""A Windows lab from up to down, through WinRM and the directory: what arrives where, and that nothing of it stays."""


import pytest

pytestmark = pytest.mark.delegation
