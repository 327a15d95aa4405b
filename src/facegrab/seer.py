"""A worker of a cluster: what runs on its nodes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facegrab.address import Address
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.media.content import content_key
from facegrab.media.source import Source
from facegrab.memory import in_own_process
from facegrab.people.judge import Asked
from facegrab.shelf import Shelf
from facegrab.store.album import Tray
from facegrab.task import Orders, Part, Task, Worker


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says when it can begin.

    Attributes:
        node: Ray's name of its node.
        host: the node as people call it.
        version: of FaceGrab there.
        computed: what its networks run on.
    """

    node: str
    host: str
    version: str
    computed: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of ours, which travels as it is, without Ray's words around it.

    Attributes:
        error: that was raised.
        host: the node that it happened on.
    """

    error: FaceGrabError
    host: str


def own_version() -> str:
    """Of the FaceGrab that is installed here."""
    return version("facegrab")


class Seer:
    """Looks through segments on a node; Ray starts it again when its process dies.

    Args:
        orders: what there is to know.
        folder: which relative paths begin at, where it is there.
    """

    def __init__(self, orders: Orders, folder: str) -> None:
        self._orders = orders
        self._folder = Path(folder)
        self._worker: Worker | None = None
        self._shelf: Shelf | None = None
        self._same: set[str] = set()
        self._counters: dict[str, Any] | None = None
        try:
            os.chdir(folder)
            self._is_there = True
        except OSError:
            self._is_there = False

    def begin(self) -> Ready | Refused:
        """Opens the networks, and tries whether extracts may be put where they belong."""
        import ray

        in_own_process()  # the process is this worker's alone
        node, host = ray.get_runtime_context().get_node_id(), _host()
        try:
            shelf = self._opened_shelf()
            if shelf:
                shelf.check()
            return Ready(node, host, own_version(), self._opened().computed)
        except FaceGrabError as error:
            return Refused(error, host)

    def see(self, task: Task, asked: Asked | None) -> Part | Refused:
        """Looks through a segment; see Orders for who is asked, which may be known late."""
        try:
            task = task if self._is_there else _from(self._folder, task)
            self._check(task)
            self._opened().ask(asked)
            part = self._looked(task)
        except FaceGrabError as error:
            return Refused(error, _host())
        self._count(part)
        return part

    def _looked(self, task: Task) -> Part:
        worker, shelf = self._opened(), self._shelf
        if shelf is None:
            return worker.see(task)
        shelf.begin()
        part = worker.see(task)
        shelf.settle()
        return part

    def _opened(self) -> Worker:
        tray = self._opened_shelf() or Tray()
        self._worker = self._worker or Worker(self._orders, tray=tray)
        return self._worker

    def _opened_shelf(self) -> Shelf | None:
        """Where extracts go, if not to whoever started the run."""
        if self._orders.bucket:
            self._shelf = self._shelf or Shelf(self._orders.bucket)
        return self._shelf

    def _check(self, task: Task) -> None:
        """That the file is there, and the one that is meant.

        Raises:
            MissingError: it is not.
        """
        if task.content in self._same:
            return
        path, host = task.source.path, _host()
        try:
            content = content_key(task.source)
        except (MissingError, AccessError, MediaError) as error:
            way_out = (
                "give every node the keys and the network for it"
                if isinstance(path, Address)
                else "put it where every node finds it by the same path"
            )
            raise MissingError(
                f"{path} cannot be read on node {host} ({error}): {way_out}"
            ) from error
        if content != task.content:
            raise MissingError(f"{path} is another file on node {host}: put the same one there")
        self._same.add(content)

    def _count(self, part: Part) -> None:
        """For Ray's dashboard."""
        if self._counters is None:
            from ray.util.metrics import Counter

            self._counters = {
                name: Counter(f"facegrab_{name}", f"{name} looked at", ("node",))
                for name in ("segments", "frames", "faces")
            }
        sums = {
            "segments": 1,
            "frames": sum(len(batch.frames) for batch in part.batches),
            "faces": sum(len(batch.faces) for batch in part.batches),
        }
        for name, counter in self._counters.items():
            if sums[name]:
                counter.inc(sums[name], {"node": _host()})


def _host() -> str:
    import ray

    return str(ray.util.get_node_ip_address())


def _from(folder: Path, task: Task) -> Task:
    """The task with paths that begin at the root."""
    source = task.source
    there = Source(_below(folder, source.path), tuple(_below(folder, i) for i in source.images))
    place = None if task.place is None else replace(task.place, source=there)
    return replace(task, source=there, place=place)


def _below(folder: Path, path: Path) -> Path:
    return path if isinstance(path, Address) else folder / path
