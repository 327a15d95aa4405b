"""How fast an input is searched, measured for some seconds; nothing is written."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from facegrab.doctor.facts import Estimate
from facegrab.doctor.search import Clock, Search
from facegrab.doctor.sources import Sources
from facegrab.errors import MediaError
from facegrab.media import find_sources
from facegrab.models import compute, packs
from facegrab.scan import chunks
from facegrab.settings import COMMERCIAL, ProcessSettings
from facegrab.store.files import as_text
from facegrab.vision import eyes as opening
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

SECONDS = 5.0
DECODE_SECONDS = 2.0
HEADER_SECONDS = 2.0

WARM_UP_FRAMES = 8


def open_look(process: ProcessSettings) -> Look:
    """The networks of a run with such settings.

    Raises:
        WeightsError, DeviceError: see vision.eyes.open_eyes.
    """
    eyes = opening.open_eyes(
        *packs.choose(process.models, process.detector, process.recogniser),
        compute.choose(process.device, process.precision, process.threads),
        mesh=process.licence != COMMERCIAL,
    )
    wanted = Wanted(process.scale, process.min_face, process.max_face, process.extract_size)
    return Look(eyes, wanted)


def estimate(
    inputs: Sequence[str],
    process: ProcessSettings,
    *,
    seconds: float = SECONDS,
    decode_seconds: float = DECODE_SECONDS,
    clock: Clock = time.perf_counter,
) -> Estimate:
    """Searches the sources of an input, one after the other, until the time is over.

    Args:
        inputs: what ``-i`` takes.
        process: how a run would be.
        seconds: of the search, after the networks were opened and have looked once.
        decode_seconds: of decoding alone, after that.
        clock: in seconds.

    Raises:
        MissingError, AccessError, MediaError: none of the sources can be read.
        WeightsError, DeviceError: the networks cannot be opened.
    """
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    sources = Sources(find_sources(list(inputs)), process.skip_frames + 1, process.device)
    start = clock()
    look = open_look(process)
    opening_seconds = clock() - start
    first = _warm_up(sources, look, process.batch_size)
    search = Search(Look(look.eyes, look.wanted), process, clock)
    search.over(sources, seconds)
    decode_only = _decode_rate(sources, decode_seconds, clock)
    frames_total = sources.frame_count(search.frames_of, HEADER_SECONDS, clock)
    done, feed = search.done, look.feed(first.width, first.height)
    fed_width, fed_height = feed.size(first.width, first.height)
    return Estimate(
        sources=len(sources.all),
        sources_measured=search.sources,
        source=as_text(first.path),
        width_px=first.width,
        height_px=first.height,
        every=sources.every,
        smallest_face_px=feed.smallest_source_px(look.eyes.detector.smallest_px),
        fed_width_px=fed_width,
        fed_height_px=fed_height,
        computed=look.eyes.computed,
        opening_seconds=opening_seconds,
        measured_seconds=done.seconds,
        measured_frames=done.frames,
        frames_per_second=done.frames / done.seconds,
        frames_looked_at_per_second=done.looked_at / done.seconds,
        faces_per_frame=done.faces / max(done.looked_at, 1),
        decode_only_frames_per_second=decode_only,
        stage_shares=search.stage_shares,
        frames_total=frames_total,
        whole_run_seconds=frames_total and frames_total * done.seconds / done.frames,
        complete=search.complete,
        not_read=sources.not_read,
        load_average=load_average,
    )


class _First(NamedTuple):
    """The first source that can be read."""

    path: Path
    width: int
    height: int


def _warm_up(sources: Sources, look: Look, batch_size: int) -> _First:
    """Looks at a few frames: what happens only once does not count."""
    with closing(sources.readers()) as readers:
        for source, reader in readers:
            try:
                frames = next(chunks(islice(reader, WARM_UP_FRAMES), batch_size), ())
            except MediaError as error:
                sources.fail(source, error)
                continue
            if frames:
                look(frames)
                return _First(source.path, reader.width, reader.height)
            sources.fail(source, MediaError(f"{source.path}: no frame to look at is sound"))
    raise sources.give_up()


def _decode_rate(sources: Sources, seconds: float, clock: Clock) -> float:
    """Frames of the sources a second, if they are only decoded, as for a run."""
    start, frames = clock(), 0
    with closing(sources.readers()) as readers:
        for source, reader in readers:
            try:
                for frame in reader:
                    if clock() - start >= seconds:
                        return (frames + frame.index + 1) / (clock() - start)
            except MediaError as error:
                sources.fail(source, error)
            frames += reader.frames_read + reader.frames_damaged
    return frames / (clock() - start)
