"""A cluster that is only imagined, and taken or gone: whoever waits is told, in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.imagined import LOADING, Full, Imagined, Trouble
from facegrab.cluster import Cluster
from facegrab.errors import DeviceError
from facegrab.media.source import Source
from facegrab.settings import RAY, ProcessSettings, RecognitionSettings
from facegrab.task import Orders, Task
from facegrab.types import Segment

SOON = 20.0
"""Seconds within which whoever waits is told, however busy the machine is."""


class Failing(Imagined):
    """What comes of the third segment cannot be had."""

    error: Exception = ConnectionError("no link\nto the head")

    def get(self, call: Any) -> Any:
        """See Imagined."""
        if call.number not in (LOADING, 0, 1):
            raise self.error
        return super().get(call)


def task(number: int) -> Task:
    return Task(Source(Path("imagined")), Segment(number, 0, 0, 0, 1, 1), None, "")


@pytest.fixture
def engine() -> Iterator[Cluster]:
    """Of two workers."""
    there = Failing(1, 2, Trouble(), [1.0] * 9)
    orders = Orders(ProcessSettings(engine=RAY), RecognitionSettings())
    with Cluster(orders, there, lambda: there.now) as engine:
        engine.ready()
        yield engine


def test_all_are_told_that_it_is_gone(engine: Cluster) -> None:
    told = [engine.see(task(number)) for number in range(6)]
    errors = [each.exception(SOON) for each in told]
    assert errors[:2] == [None, None]
    assert {str(each) for each in errors[2:]} == {
        "the Ray cluster is gone (no link to the head): run the same command again when it is "
        "back; it goes on where it stopped"
    }
    assert all(isinstance(each, DeviceError) for each in errors[2:])


def test_so_is_whoever_comes_later(engine: Cluster) -> None:
    """A source that was being planned when it happened."""
    engine.see(task(2)).exception(SOON)
    assert "is gone" in str(engine.see(task(3)).exception(SOON))


def test_no_segment_is_set_aside_because_a_store_is_full(
    engine: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "error", Full("Local disk is full\nThe object cannot be"))
    told = [engine.see(task(number)) for number in range(6)]
    errors = [each.exception(SOON) for each in told]
    assert errors[:2] == [None, None]
    for each in errors[2:]:
        assert isinstance(each, DeviceError)
        assert str(each).startswith("node 0 has no room for what its workers see: ")
        assert "run the same command again" in str(each)
        assert "\n" not in str(each)


class Shared(Imagined):
    """Another driver has its only place for a minute."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._other: Any = self.remote(max_task_retries=0)(None).remote()

    def wait(self, calls: list[Any], *, num_returns: int, timeout: float) -> tuple[list[Any], None]:
        """See Imagined."""
        if self._other and self.now > 60:
            self.kill(self._other)
            self._other = None
        return super().wait(calls, num_returns=num_returns, timeout=timeout)


def test_a_driver_waits_for_another_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    there = Shared(1, 1, Trouble(), [1.0])
    orders = Orders(ProcessSettings(engine=RAY), RecognitionSettings())
    with (
        caplog.at_level(logging.INFO, "facegrab"),
        Cluster(orders, there, lambda: there.now) as engine,
    ):
        engine.ready()
        assert engine.see(task(0)).exception(SOON) is None
    assert [each.message for each in caplog.records] == [
        "waiting for a worker on the Ray cluster: others may have its processors, which ray status "
        "shows"
    ]
