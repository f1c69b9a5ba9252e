"""Waiting, on a clock that costs no time."""

import pytest

from doublehop import wait
from doublehop.errors import Deadline


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(wait, "time", made)
    return made


def test_what_is_there_costs_no_time(clock):
    assert wait.until("it", 5, lambda: 0) == 0  # false, but something
    assert clock.now == 100.0


def test_what_comes_is_waited_for(clock):
    values = iter([None, None, "here"])
    assert wait.until("it", 5, lambda: next(values), every=0.5) == "here"
    assert clock.now == 101.0


def test_what_does_not_come_ends_with_the_last_thing_seen(clock):
    def refused() -> None:
        raise ConnectionRefusedError("port 88 refused")

    with pytest.raises(Deadline, match=r"the KDC did not happen within 2 s; last seen: port 88 refused"):
        wait.until("the KDC", 2, refused, every=0.5)
    assert clock.now == 102.0


def test_an_error_that_waiting_does_not_cure_is_raised_at_once(clock):
    with pytest.raises(ZeroDivisionError):
        wait.until("it", 2, lambda: 1 // 0)
    assert clock.now == 100.0
