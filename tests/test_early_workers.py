"""Workers of a cluster, which is only imagined, begin before it is known who is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.imagined import Imagined, Trouble
from facegrab import cluster
from facegrab.early import Early
from facegrab.errors import GalleryError
from facegrab.media.source import Source
from facegrab.people.judge import Asked
from facegrab.settings import RAY, ProcessSettings, RecognitionSettings
from facegrab.task import Orders, Task
from facegrab.types import Segment

SOURCE = Source(Path("imagined"))
SETTINGS = ProcessSettings(engine=RAY)
ASKED = Asked((), (), 0.6, "euclidean")


class Apart(Imagined):
    """Whoever needs it joins it and leaves it again."""

    is_joined = has_been_joined = False
    people: Any = None
    """Who workers are told to look for."""

    def is_initialized(self) -> bool:
        """See Imagined."""
        return self.is_joined

    def init(self, **_: Any) -> None:
        """Joins it."""
        self.is_joined = self.has_been_joined = True

    def shutdown(self) -> None:
        """Leaves it."""
        self.is_joined = False

    def put(self, value: Any) -> Any:
        """See Imagined."""
        self.people = value
        return super().put(value)

    @property
    def workers(self) -> int:
        """Those that are there."""
        return len(self._actors)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apart]:
    """With room for two workers."""
    ray = Apart(1, 2, Trouble(), [1.0])
    monkeypatch.setattr(cluster, "load_ray", lambda: ray)
    yield ray
    assert not ray.is_joined
    assert ray.workers == 0


def orders() -> Orders:
    return Orders(SETTINGS, RecognitionSettings(), ASKED, Path("out"))


def test_the_run_takes_them(there: Apart) -> None:
    with ExitStack() as stack:
        with Early(SOURCE, SETTINGS) as early:
            assert there.workers == 2
            engine = early.take_engine(orders(), stack)
        assert engine is not None
        assert there.is_joined  # whoever took them ends them
        engine.ready()
        part = engine.see(Task(SOURCE, Segment(0, 0, 0, 0, 1, 1), None, ""))
        assert part.result(20).following is None
        assert there.people is ASKED
        assert early.take_engine(orders(), stack) is None


def test_of_other_orders_they_are_ended(there: Apart) -> None:
    other = replace(orders(), bucket="s3://bucket/folder")
    with Early(SOURCE, SETTINGS) as early:
        assert early.take_engine(other, ExitStack()) is None
        assert there.workers == 0  # others have their places
        assert not there.is_joined


def test_a_bad_reference_leaves_none(there: Apart) -> None:
    with pytest.raises(GalleryError), Early(SOURCE, SETTINGS):
        raise GalleryError("no usable face in any reference")
    assert there.has_been_joined


@pytest.mark.parametrize("process", [{"engine": RAY, "shard": "1/2"}, {}])
def test_none_begin_where_the_run_takes_none(there: Apart, process: dict[str, Any]) -> None:
    with Early(SOURCE, ProcessSettings(**process)):
        assert not there.is_joined
