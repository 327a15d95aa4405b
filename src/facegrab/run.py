"""One run: sources in, a folder of extracts out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facegrab.early import Early
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.extract import Extractor, Planned
from facegrab.media import FrameReader, open_source
from facegrab.media.source import Source
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.people.decide import decide
from facegrab.people.gallery import Gallery
from facegrab.scan import Scanned, scan_as
from facegrab.settings import ProcessSettings
from facegrab.store.files import as_text
from facegrab.store.index import Rows
from facegrab.store.naming import Naming
from facegrab.store.origin import Origin
from facegrab.store.output import Output
from facegrab.summary import BLURRED, OTHER_PERSON, Plan, Summary, Watcher
from facegrab.types import Faces, Frame
from facegrab.vision.alignments import Alignment
from facegrab.vision.look import Look

logger = logging.getLogger(__name__)

METHOD = 4
"""Counted up when the same settings find or place faces otherwise: a folder holds one method's."""
_ONLY_SPEED = ("batch_size", "device", "threads")


def result_settings(choice: Choice, gallery: Gallery, process: ProcessSettings) -> dict[str, Any]:
    """What the content of an output folder depends on."""
    settings: dict[str, Any] = {
        "references": gallery.digest if len(gallery) else "*",
        "tolerance": choice.tolerance,
    }
    settings |= {name: each for name, each in asdict(process).items() if name not in _ONLY_SPEED}
    settings["detector"] = choice.detector.key
    settings["recogniser"] = choice.recogniser.key
    settings["licences"] = list(choice.licences)
    settings["align"] = [f"{each.fingerprint} {each.label}" for each in choice.alignments]
    for name in ("blur_threshold", "scale"):  # 10 and 10.0 are the same request
        settings[name] = (
            settings[name] if isinstance(settings[name], str) else float(settings[name])
        )
    return settings | {"method": METHOD}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the settings come down to, once names are looked up.

    Attributes:
        detector: finds faces.
        recogniser: tells them apart.
        tolerance: the largest distance of the same person.
        alignments: of the extracts, at least one.
        licences: of all weights in use, a line each.
    """

    detector: DetectorSpec
    recogniser: RecogniserSpec
    tolerance: float
    alignments: tuple[Alignment, ...]
    licences: tuple[str, ...]


class Run:
    """Scans sources, decides who is who, extracts, and commits batch by batch.

    Args:
        look: finds and describes faces.
        gallery: the references; an empty one matches everybody.
        choice: models, tolerance and alignments.
        settings: how sources are read and what is written.
        output: where to.
        watcher: is told how it goes.
        early: may have one of the sources open already.
    """

    def __init__(
        self,
        look: Look,
        gallery: Gallery,
        choice: Choice,
        settings: ProcessSettings,
        output: Output,
        watcher: Watcher,
        early: Early | None = None,
    ) -> None:
        self._early = early
        self._look = look
        self._gallery = gallery
        self._choice = choice
        self._settings = settings
        self._output = output
        self._watcher = watcher
        self._extractor = Extractor(choice.alignments, upsample=settings.upsample)
        self._summary = Summary(licences=list(choice.licences), computed=look.eyes.computed)

    def over(self, sources: Sequence[Source]) -> Summary:
        """Does all sources, one after the other.

        Raises:
            MediaError, MissingError, AccessError: none of them can be read.
            OutputError, AccessError, StoreError: the output cannot be written.
        """
        start = time.perf_counter()
        try:
            for source in sources:
                self._source(source, last_hope=len(self._summary.failed) == len(sources) - 1)
        except KeyboardInterrupt:
            self._summary.interrupted = True
        except (FaceGrabError, MemoryError):
            for line in self._summary.not_read():  # no summary will tell of them
                logger.warning(line)
            with suppress(FaceGrabError):  # the first error is the one to tell
                self._output.write_table()
            raise
        self._write_table()
        self._summary.seconds.update(self._look.seconds)
        if self._early:
            self._summary.add_seconds("decode", self._early.seconds)
        self._summary.seconds["all"] = time.perf_counter() - start
        return self._summary

    def _write_table(self) -> None:
        """A table that cannot be replaced, open in a spreadsheet say, does not spoil the run."""
        try:
            self._output.write_table()
        except AccessError as error:
            self._summary.warnings.append(f"{error}; facegrab.db holds the same")

    def _source(self, source: Source, *, last_hope: bool) -> None:
        """Does one source; an unreadable one is noted, unless no other was or will be readable."""
        with ExitStack() as stack:
            try:
                reader, frames = self._open(source, stack)
            except (MediaError, MissingError, AccessError) as error:
                self._failed(source, error, last_hope=last_hope)
                return
            self._watcher.begin(self._plan(source, reader))
            try:
                self._read(source, reader, frames)
            except MediaError as error:
                self._failed(source, error, last_hope=last_hope)
            finally:
                self._watcher.end()
                self._summary.frames_read += reader.frames_read
                self._summary.frames_damaged += reader.frames_damaged
                self._summary.warnings += [
                    line if str(source.path) in line else f"{source.path}: {line}"
                    for line in reader.warnings
                ]

    def _open(self, source: Source, stack: ExitStack) -> tuple[FrameReader, Iterator[Frame]]:
        """A reader and its frames, which the stack closes."""
        early = self._early and self._early.take(source, stack)
        if early:
            return early
        every, device = self._settings.skip_frames + 1, self._settings.device
        reader = stack.enter_context(open_source(source, every, device))
        return reader, self._timed_decode(reader)

    def _failed(self, source: Source, error: Exception, *, last_hope: bool) -> None:
        if last_hope:
            raise error
        self._summary.failed.append((source.path, str(error)))

    def _read(self, source: Source, reader: FrameReader, frames: Iterator[Frame]) -> None:
        looked_at, found, written = 0, 0, 0
        naming: Naming | None = None
        row = 0
        frame_bytes = None if source.images else reader.frame_bytes
        scanning = scan_as(frames, self._look, self._settings, frame_bytes)
        with closing(scanning) as batches:
            for scanned in batches:
                # The output is made once there is a frame to look at, not for a file without any.
                if naming is None:
                    row, naming = self._enter(source, reader)
                written += self._commit(scanned, source, row, naming)
                found += len(scanned.faces)
                looked_at += len(scanned.frames)
                self._watcher.step(scanned.frames[-1].index + 1, found, written)
                del scanned
        if naming is None:
            raise MediaError(f"{source.path}: no frame to look at is sound")
        self._output.finish_source(
            row,
            width=reader.width,
            height=reader.height,
            frames_read=reader.frames_read,
            frames_looked_at=looked_at,
            frames_damaged=reader.frames_damaged,
            computed=self._look.eyes.computed,
        )

    def _enter(self, source: Source, reader: FrameReader) -> tuple[int, Naming]:
        row, name = self._output.enter_source(source.path, source.name)
        suffix = self._settings.format
        return row, Naming(name, suffix, reader.duration_seconds, reader.frame_count)

    def _commit(self, scanned: Scanned, source: Source, row: int, naming: Naming) -> int:
        """Decides and extracts one batch and commits it; the number of faces written."""
        faces = scanned.faces
        decisions = decide(faces.embedding, self._gallery, self._choice.tolerance)
        sharp = faces.sharpness >= self._settings.blur_threshold
        dropped = [
            None if ok and clear else BLURRED if ok else OTHER_PERSON
            for ok, clear in zip(decisions.matched, sharp, strict=True)
        ]
        pictures = [_picture(source, frame) for frame in faces.frame.tolist()]
        start = time.perf_counter()
        wanted = [each for each, why in enumerate(dropped) if not why]
        planned, none = self._extractor.plan(faces, wanted, partial(_name, naming, faces, pictures))
        for each, why in none.items():
            dropped[each] = why
        rows = Rows(
            row,
            faces,
            pictures,
            decisions.distance,
            decisions.references_within,
            dropped,
            [each.entry for each in planned],
        )
        origin_of = partial(self._origin, source, naming, rows)
        self._output.commit(rows, self._extractor.make(planned, faces, scanned.frames, origin_of))
        written = dropped.count(None)
        summary = self._summary
        summary.add_seconds("extract", time.perf_counter() - start)
        summary.frames_looked_at += len(scanned.frames)
        summary.faces_found += len(faces)
        summary.faces_matched += int(decisions.matched.sum())
        summary.faces_written += written
        summary.extracts_enlarged += sum(each.entry.native_scale > 1 for each in planned)
        summary.dropped.update(why for why in dropped if why)
        return written

    def _origin(self, source: Source, naming: Naming, rows: Rows, planned: Planned) -> Origin:
        row, faces = planned.entry.row, rows.faces
        picture = rows.pictures[row]
        return Origin(
            source=as_text(source.path.absolute()),
            source_name=naming.source,
            frame=int(faces.frame[row]),
            pts_seconds=float(faces.pts_seconds[row]),
            picture=None if picture is None else as_text(picture),
            box=faces.box[row],
            points5=faces.points5[row],
            points68=faces.points68[row],
            matrix=planned.matrix,
            alignment=planned.alignment.name,
            size_px=planned.entry.size_px,
            native_scale=planned.entry.native_scale,
            detector=self._choice.detector.key,
            recogniser=self._choice.recogniser.key,
            distance=float(rows.distance[row]),
            sharpness=float(faces.sharpness[row]),
        )

    def _plan(self, source: Source, reader: FrameReader) -> Plan:
        feed = self._look.feed(reader.width, reader.height)
        fed_width, fed_height = feed.size(reader.width, reader.height)
        return Plan(
            source=source.path,
            width=reader.width,
            height=reader.height,
            frame_count=reader.frame_count,
            every=self._settings.skip_frames + 1,
            smallest_face_px=feed.smallest_source_px(self._look.eyes.detector.smallest_px),
            fed_width=fed_width,
            fed_height=fed_height,
        )

    def _timed_decode(self, reader: FrameReader) -> Iterator[Frame]:
        frames = iter(reader)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self._summary.add_seconds("decode", time.perf_counter() - start)
            if frame is None:
                return
            yield frame


def _picture(source: Source, frame: int) -> Path | None:
    return source.images[frame].absolute() if source.images else None


def _name(naming: Naming, faces: Faces, pictures: Sequence[Path | None], each: int) -> str:
    frame, number = int(faces.frame[each]), int(faces.number[each])
    picture = pictures[each]
    if picture is not None:
        return naming.of_picture(picture.name, frame, number)
    return naming.of_video(float(faces.pts_seconds[each]), frame, number)
