"""Seeing everything once: faces into an index, and no picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facegrab.choice import Opener, PathName, choice_of, listed
from facegrab.early import Early
from facegrab.media.source import find_sources
from facegrab.request import request_of
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.sharding import share
from facegrab.store.library import Library
from facegrab.summary import Nobody, Summary, Watcher
from facegrab.task import Orders
from facegrab.vision.look import Eyes
from facegrab.walk import Walk


def scan_into(
    index: PathName,
    source: PathName | Sequence[PathName],
    process: ProcessSettings | None = None,
    *,
    eyes: Eyes | None = None,
    watcher: Watcher | None = None,
    early: Early | None = None,
) -> Summary:
    """Looks through videos and pictures and writes every face into an index.

    Any number of questions can then be asked of the index (``FaceGrab.process(..., index=...)``).
    What it holds already is not looked at again.

    Args:
        index: the file, made if missing.
        source: a video, an image, an image pattern, a folder, a glob, or several of these.
        process: how sources are read; nothing is written but the index.
        eyes: the networks; by default those of the settings.
        watcher: is told how it goes.
        early: may have the first source open already.

    Returns:
        what was done, see FaceGrab.process.

    Raises:
        MissingError, AccessError, MediaError: none of the sources can be read.
        OutputError, AccessError: the index cannot be written; what is done is kept.
        StoreError: it is damaged, newer, or in use.
        SettingError, WeightsError, DeviceError: see FaceGrab.
    """
    process = process or ProcessSettings()
    choice = choice_of(RecognitionSettings(), process, eyes)
    sources = find_sources(listed(source))
    look, asked = Opener(choice, process, eyes), request_of(choice, process)
    watcher = watcher or Nobody()
    orders = Orders(process, RecognitionSettings(), eyes=eyes)
    with Library(Path(index)) as library:
        if process.shard is not None:
            return share(look, asked, process, library, watcher, orders, sources)
        return Walk(look, asked, process, library, watcher, early, orders).over(sources)
