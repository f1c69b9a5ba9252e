"""`python -m doublehop`."""

from doublehop.cli import main

main()
