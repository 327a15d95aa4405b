"""A bucket in memory, which stops at any step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stopped import left

from facegrab.address import Address, located
from facegrab.mirror import STATE_NAME


class Killed(BaseException):
    """The process was killed at a step."""


class Store:
    """What a bucket holds, and the step at which whoever asks it stops."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.removed: set[str] = set()
        self.steps = 0
        self.last_step = 0
        self.error: BaseException = Killed()
        self.copied: list[str] = []

    def stop_at(self, step: int, error: BaseException | None = None) -> None:
        self.steps, self.last_step, self.error = 0, step, error or Killed()

    def step(self) -> None:
        self.steps += 1
        if self.last_step and self.steps >= self.last_step:
            raise self.error


class InMemory:
    """A Bucket of such a store; see Bucket."""

    def __init__(self, store: Store, name: str) -> None:
        self.address = located(name)
        assert isinstance(self.address, Address)
        self._store = store

    def sizes_bytes(self, folder: str = "") -> dict[str, int]:
        found = dict(self._store.objects)
        return {name: len(found[name]) for name in found if name.startswith(folder)}

    def read(self, name: str, most_bytes: int) -> bytes | None:
        content = self._store.objects.get(name)
        return None if content is None else content[:most_bytes]

    def write(self, name: str, content: bytes, kind: str = "") -> None:
        self._store.step()
        self._store.objects[name] = content

    def put(self, name: str, path: Path) -> None:
        self.write(name, path.read_bytes())

    def copy(self, source: str, name: str) -> None:
        self.write(name, self._store.objects[source])
        self._store.copied.append(source)

    def get(self, name: str, path: Path) -> None:
        self._store.step()
        path.write_bytes(self._store.objects[name])

    def remove(self, name: str) -> None:
        self._store.step()
        self._store.removed.add(name)
        self._store.objects.pop(name, None)

    def remove_all(self, names: Sequence[str]) -> None:
        for name in names:
            self.remove(name)


def seen(folder: Path) -> dict[str, Any]:
    """Every file but hidden ones, and every row of the index."""
    return {name: content for name, content in left(folder).items() if not name.startswith(".")}


def brought(store: Store, place: Path) -> dict[str, Any]:
    """All that is in the bucket, hidden or not, but what it says of itself."""
    place.mkdir()
    for name, content in store.objects.items():
        if name != STATE_NAME:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    return left(place)
