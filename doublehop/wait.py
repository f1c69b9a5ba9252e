"""Waiting for something to become true: the only module that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

from doublehop.errors import Deadline

T = TypeVar("T")


def until(what: str, seconds: float, attempt: Callable[[], T | None], *, every: float = 0.01) -> T:
    """Repeat `attempt` until it gives something other than None.

    Raises Deadline, with the last error seen, when that takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            value = attempt()
        except OSError as failure:
            value, last = None, str(failure)
        if value is not None:
            return value
        if time.monotonic() >= deadline:
            raise Deadline(what, seconds, last)
        time.sleep(every)
