"""The whole pipeline on painted people: what a user gets, and what is left when it goes wrong."""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import another, truncate, write_clip, write_image
from fakes import (
    CLIP_FRAMES,
    HUE,
    RED_UNTIL,
    CtrlC,
    Notes,
    PaintedDetector,
    assert_consistent,
    contents,
    fail_at,
    our_threads,
    paint,
    painted_eyes,
    pictures,
    query,
    rows,
    scene,
    stored_faces,
    table,
)

import facegrab.walk
from facegrab.errors import MediaError, OutputError, StoreError
from facegrab.grab import FaceGrab
from facegrab.media import read_image
from facegrab.media.reader import FrameReader
from facegrab.media.video import VideoReader
from facegrab.people.decide import decide
from facegrab.people.references import collect
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.answers import CSV_COLUMNS
from facegrab.store.index import Index
from facegrab.summary import BLURRED, OTHER_PERSON, Summary, Watcher
from facegrab.types import Detections, Frame
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Eyes, Look

NAME = re.compile(r"(.+)_(\d+)h(\d\d)m(\d\d\.\d{3})s_f(\d+)_(\d+)\.(jpg|png)")


def run(
    reference: Path | str,
    source: Path | list[Path],
    folder: Path,
    *,
    tolerance: float = 0.6,
    watcher: Watcher | None = None,
    eyes: Eyes | None = None,
    **process: Any,
) -> Summary:
    settings = ProcessSettings(**{"skip_frames": 0, "extract_size": 64, "scale": 0.5} | process)
    recognition = RecognitionSettings(tolerance, jitter=1)
    grab = FaceGrab(reference, recognition, settings, eyes=eyes or painted_eyes())
    return grab.process(source, folder, watcher=watcher)


def hue(path: Path) -> str:
    """Of a picture: its strongest channel."""
    return ("red", "green", "blue")[int(read_image(path).reshape(-1, 3).mean(axis=0).argmax())]


def times(folder: Path) -> list[float]:
    """Seconds by the names of the images, in the order of names."""
    matches = [NAME.fullmatch(name) for name in pictures(folder)]
    return [int(m[2]) * 3600 + int(m[3]) * 60 + float(m[4]) for m in matches if m]


class TestOnePerson:
    def test_all_images_are_of_the_person_and_no_frame_is_missing(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        summary = run(red, clip, tmp_path)
        names = pictures(tmp_path)
        assert len(names) == RED_UNTIL
        assert {hue(tmp_path / name) for name in names} == {"red"}
        assert summary.faces_found == CLIP_FRAMES + RED_UNTIL
        assert summary.faces_matched == summary.faces_written == RED_UNTIL
        assert summary.dropped == {OTHER_PERSON: CLIP_FRAMES}
        assert summary.frames_read == summary.frames_looked_at == CLIP_FRAMES
        assert summary.frames_damaged == 0
        assert not summary.failed
        assert not summary.interrupted

    def test_names_tell_video_time_frame_and_face_and_sort_by_time(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path)
        names = pictures(tmp_path)
        assert names[0].startswith("clip_0h00m00.000s_f0_")
        matches = [NAME.fullmatch(name) for name in names]
        assert all(matches)
        assert [int(m[5]) for m in matches if m] == list(range(RED_UNTIL))
        assert times(tmp_path) == pytest.approx([n / 25 for n in range(RED_UNTIL)], abs=0.0006)

    def test_extracts_are_square_and_of_the_size_asked_for(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path, extract_size=96, skip_frames=9)
        assert {read_image(tmp_path / n).shape for n in pictures(tmp_path)} == {(96, 96, 3)}

    @pytest.mark.parametrize("scale", [0.4, 0.5, 1.0, "auto"])
    def test_boxes_are_in_source_pixels_whatever_the_detector_is_fed(
        self, red: Path, clip: Path, tmp_path: Path, scale: float | str
    ) -> None:
        run(red, clip, tmp_path, scale=scale, skip_frames=19)
        (name,) = pictures(tmp_path)
        x0, y0, x1, y1 = query(tmp_path, "SELECT x0, y0, x1, y1 FROM face ORDER BY y0")[0]
        assert [x0, y0, x1, y1] == pytest.approx([10, 20, 57, 67], abs=2)
        assert hue(tmp_path / name) == "red"

    def test_png(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, format="png", skip_frames=9)
        assert [name[-4:] for name in pictures(tmp_path)] == [".png"] * 2
        assert (tmp_path / pictures(tmp_path)[0]).read_bytes().startswith(b"\x89PNG")

    def test_jpegs_keep_the_colour_of_every_pixel(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path, skip_frames=9)
        data = (tmp_path / pictures(tmp_path)[0]).read_bytes()
        start = data.index(b"\xff\xc0")
        sampling = [data[start + 11 + 3 * component] for component in range(3)]
        assert sampling == [0x11, 0x11, 0x11]  # 4:4:4

    def test_star_writes_everybody(self, clip: Path, tmp_path: Path) -> None:
        summary = run("*", clip, tmp_path)
        assert summary.faces_written == CLIP_FRAMES + RED_UNTIL == len(pictures(tmp_path))
        assert {hue(tmp_path / name) for name in pictures(tmp_path)} == {"red", "green"}
        assert query(tmp_path, "SELECT DISTINCT distance, references_within FROM outcome") == [
            (None, 0)
        ]

    def test_nobody_found_is_no_error(self, green: Path, tmp_path: Path) -> None:
        video = write_clip(tmp_path / "empty.mp4", [scene() for _ in range(5)])
        summary = run(green, video, tmp_path / "out")
        assert summary.faces_found == 0
        assert pictures(tmp_path / "out") == []
        assert table(tmp_path / "out") == []

    def test_a_stricter_tolerance_keeps_a_look_alike_out(self, red: Path, tmp_path: Path) -> None:
        video = write_clip(
            tmp_path / "v.mp4", [scene(red=(10, 20), orange=(120, 20)) for _ in range(4)]
        )
        assert run(red, video, tmp_path / "loose", tolerance=0.8).faces_written == 8
        assert run(red, video, tmp_path / "strict", tolerance=0.2).faces_written == 4

    def test_blurred_faces_are_dropped_and_the_reason_is_told(
        self, red: Path, tmp_path: Path
    ) -> None:
        frames = [scene(red=(10, 20)) for _ in range(4)]
        paint(frames[2], "red", 10, 20, blurred=True)
        video = write_clip(tmp_path / "v.mp4", frames, options={"preset": "ultrafast", "g": "1"})
        summary = run(red, video, tmp_path / "out", blur_threshold=10)
        assert summary.faces_matched == 4
        assert summary.faces_written == 3
        assert summary.dropped == {BLURRED: 1}
        assert [(r["frame"], r["file"]) for r in table(tmp_path / "out") if r["dropped"]] == [
            ("2", "")
        ]
        assert run(red, video, tmp_path / "all", blur_threshold=0).faces_written == 4

    def test_the_run_says_what_it_will_do(self, red: Path, clip: Path, tmp_path: Path) -> None:
        notes = Notes()
        run(
            red,
            clip,
            tmp_path,
            skip_frames=4,
            scale="auto",
            extract_size=256,
            blur_threshold=0,
            batch_size=2,
            watcher=notes,
        )
        (plan,) = notes.plans
        assert (plan.source, plan.width, plan.height) == (clip, 256, 144)
        assert (plan.frame_count, plan.every) == (CLIP_FRAMES, 5)
        assert plan.smallest_face_px == 64
        assert (plan.fed_width, plan.fed_height) == (288, 162)
        assert notes.steps == [(6, 4, 2), (16, 8, 4), (26, 10, 4)]
        assert notes.ended == 1

    def test_the_summary_tells_where_the_time_went(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        seconds = run(red, clip, tmp_path).seconds
        assert {"all", "decode", "detect", "landmarks", "embed", "extract"} <= seconds.keys()
        assert all(value > 0 for value in seconds.values())


class TestFramesLookedAt:
    @pytest.mark.parametrize("skip", [1, 5, 6, 29, 30, 1000])
    def test_every_so_many(self, red: Path, clip: Path, tmp_path: Path, skip: int) -> None:
        summary = run(red, clip, tmp_path, skip_frames=skip)
        expected = list(range(0, CLIP_FRAMES, skip + 1))
        assert query(tmp_path, "SELECT DISTINCT frame FROM face") == [(n,) for n in expected]
        assert summary.frames_looked_at == len(expected)
        assert summary.frames_read == CLIP_FRAMES

    @pytest.mark.parametrize("size", [7, 128])
    def test_the_batch_size_changes_nothing_but_the_batches(
        self, red: Path, clip: Path, tmp_path: Path, size: int
    ) -> None:
        run(red, clip, tmp_path / "2", batch_size=2)
        eyes = painted_eyes()
        run(red, clip, tmp_path / "n", batch_size=size, eyes=eyes)
        assert rows(tmp_path / "n") == rows(tmp_path / "2")
        assert contents(tmp_path / "n") == contents(tmp_path / "2")
        assert isinstance(eyes.detector, PaintedDetector)
        short_last = {7: [7, 7, 7, 7, 2], 128: [30]}
        assert eyes.detector.batches[1:] == short_last[size]  # the first is the reference

    def test_pictures_of_different_sizes_share_a_batch(self, red: Path, tmp_path: Path) -> None:
        folder = tmp_path / "holiday"
        folder.mkdir()
        write_image(folder / "1.png", scene((256, 144), red=(10, 20)))
        write_image(folder / "2.png", scene((120, 300), red=(50, 200), side=60))
        write_image(folder / "10.jpg", scene((500, 90), red=(400, 20), green=(20, 20)))
        eyes = painted_eyes()
        summary = run(red, folder, tmp_path / "out", eyes=eyes)
        assert isinstance(eyes.detector, PaintedDetector)
        assert eyes.detector.batches[1:] == [3]
        assert summary.faces_written == 3
        assert [name.rsplit("_", 1)[0] for name in pictures(tmp_path / "out")] == [
            "holiday_f0_1", "holiday_f1_2", "holiday_f2_10",
        ]  # fmt: skip
        boxes = query(
            tmp_path / "out",
            "SELECT x0, y0, x1, y1 FROM face JOIN extract USING (frame, number) ORDER BY frame",
        )
        expected = [(10, 20, 57, 67), (50, 200, 109, 259), (400, 20, 447, 67)]
        assert np.abs(np.array(boxes) - expected).max() <= 2


class TestSources:
    def test_a_rotated_video_is_upright(self, red: Path, tmp_path: Path) -> None:
        upright = [scene((144, 256), red=(10, 180)) for _ in range(3)]
        stored = [np.ascontiguousarray(np.rot90(frame, -1)) for frame in upright]
        video = write_clip(tmp_path / "v.mp4", stored, rotation=90)
        run(red, video, tmp_path / "out")
        assert len(pictures(tmp_path / "out")) == 3
        boxes = query(tmp_path / "out", "SELECT x0, y0, x1, y1 FROM face")
        assert np.abs(np.array(boxes) - [10, 180, 57, 227]).max() <= 2

    def test_times_count_from_the_first_frame_of_a_late_video(
        self, red: Path, tmp_path: Path
    ) -> None:
        video = write_clip(
            tmp_path / "v.mkv", [scene(red=(10, 20)) for _ in range(3)], start_seconds=7.0
        )
        run(red, video, tmp_path / "out")
        assert times(tmp_path / "out") == pytest.approx([0, 0.04, 0.08], abs=0.0011)

    def test_a_variable_rate_shows_in_the_times(self, red: Path, tmp_path: Path) -> None:
        pts = [0, 0.04, 0.5, 2.0, 61.25]
        video = write_clip(tmp_path / "v.mkv", [scene(red=(10, 20)) for _ in pts], pts=pts)
        run(red, video, tmp_path / "out")
        assert times(tmp_path / "out") == pytest.approx(pts, abs=0.0011)
        seconds = [float(row["pts_seconds"]) for row in table(tmp_path / "out")]
        assert seconds == pytest.approx(pts, abs=0.0011)

    def test_a_truncated_video_gives_what_it_holds_and_a_warning(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        whole = Path(shutil.copy(clip, tmp_path / "clip.mp4"))
        summary = run(red, truncate(whole), tmp_path / "out")
        assert 0 < summary.frames_read < CLIP_FRAMES
        assert len(pictures(tmp_path / "out")) > 0
        assert summary.warnings
        assert_consistent(tmp_path / "out")

    def test_videos_of_the_same_name_stay_apart(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        videos = [tmp_path / part / "clip.mp4" for part in ("a", "b", "c")]
        for number, video in enumerate(videos):
            video.parent.mkdir()
            another(clip, video, number)
        run(red, videos, tmp_path / "out", skip_frames=9)
        assert [name.split("_")[0] for name in pictures(tmp_path / "out")] == [
            "clip-2", "clip-2", "clip-3", "clip-3", "clip", "clip",
        ]  # fmt: skip
        assert {row["source"] for row in table(tmp_path / "out")} == {str(v) for v in videos}
        assert_consistent(tmp_path / "out")

    def test_videos_of_the_same_name_stay_apart_over_several_runs(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number, part in enumerate(("a", "b")):
            (tmp_path / part).mkdir()
            another(clip, tmp_path / part / "clip.mp4", number)
            monkeypatch.chdir(tmp_path / part)
            run(red, Path("clip.mp4"), tmp_path / "out", skip_frames=9)
        assert len(pictures(tmp_path / "out")) == 4
        assert len(table(tmp_path / "out")) == 10

    def test_the_table_names_the_picture_that_a_face_is_in(
        self, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for number in (1, 2):
            write_image(tmp_path / f"img_{number}.png", scene(red=(10, 20)))
        one, two = tmp_path / "img_1.png", tmp_path / "img_2.png"
        for source, expected in [
            (one, [one]),
            (tmp_path / "img_%d.png", [one, two]),
            (tmp_path / "img_?.png", [one, two]),
        ]:
            run(red, source, tmp_path / "out")
            assert [row["source"] for row in table(tmp_path / "out")] == [*map(str, expected)]
            shutil.rmtree(tmp_path / "out")

    def test_long_names_fit_the_file_system(self, red: Path, tmp_path: Path) -> None:
        folder = tmp_path / ("ö" * 110)
        folder.mkdir()
        write_image(folder / f"{'ü' * 110}.png", scene(red=(10, 20)))
        assert run(red, folder, tmp_path / "out").faces_written == 1

    @pytest.mark.parametrize("name", ["Der Maß & mehr.mp4", "写真 1.mp4", "a%04d [x].mp4", "'.mp4"])
    def test_any_name_will_do(self, red: Path, clip: Path, tmp_path: Path, name: str) -> None:
        shutil.copy(clip, tmp_path / name)
        reference = Path(shutil.copy(red, tmp_path / "ein Bild – 写.png"))
        run(reference, tmp_path / name, tmp_path / "Häuser 写", skip_frames=9)
        assert len(pictures(tmp_path / "Häuser 写")) == 2
        assert table(tmp_path / "Häuser 写")[0]["source"] == str(tmp_path / name)

    def test_a_name_that_is_no_text_will_do(self, red: Path, clip: Path, tmp_path: Path) -> None:
        video = tmp_path / "caf\udce9.mp4"  # Latin-1, as old archives hold it
        try:
            shutil.copy(clip, video)
        except OSError:
            pytest.skip("this file system holds only names that are text")
        run(red, video, tmp_path / "out", skip_frames=9)
        assert len(pictures(tmp_path / "out")) == 2
        assert len(table(tmp_path / "out")) == 5


class TestIndexAndTable:
    def test_the_columns_of_the_table(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path)
        head = (tmp_path / "facegrab.csv").read_text("utf-8").splitlines()[0]
        assert head == (
            "source,frame,pts_seconds,x0,y0,x1,y1,score,distance,references_within,sharpness,"
            "size_px,shot,track,by_track,native_scale,file,dropped,person,probability,verdict"
        )
        assert head.split(",") == list(CSV_COLUMNS)

    def test_table_index_and_files_agree(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path)
        assert_consistent(tmp_path)
        lines = table(tmp_path)
        stored = query(
            tmp_path,
            "SELECT source.path, face.frame, pts_seconds, x0, y0, x1, y1, score, distance,"
            " references_within,"
            " sharpness, face.size_px, shot, track, by_track, native_scale, file, dropped,"
            " person, probability, verdict"
            " FROM source JOIN face USING (scan)"
            " JOIN outcome ON outcome.source = source.id"
            " AND outcome.frame = face.frame AND outcome.number = face.number"
            " LEFT JOIN extract ON extract.source = source.id AND extract.frame = face.frame"
            " AND extract.number = face.number ORDER BY face.frame, face.number",
        )
        assert len(lines) == len(stored) == CLIP_FRAMES + RED_UNTIL
        for line, row in zip(lines, stored, strict=True):
            for value, expected in zip(line.values(), row, strict=True):
                if isinstance(expected, float):
                    assert float(value) == pytest.approx(expected, abs=0.051)
                else:
                    assert value == ("" if expected is None else str(expected))
        assert sorted(line["file"] for line in lines if line["file"]) == pictures(tmp_path)

    def test_what_is_true_of_every_row(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, tolerance=0.5)
        for row in table(tmp_path):
            near = float(row["distance"]) <= 0.5
            assert near == bool(row["file"]) == (row["references_within"] == "1")
            assert row["dropped"] == ("" if near else OTHER_PERSON)
            assert float(row["size_px"]) == pytest.approx(48, abs=3)
            assert float(row["sharpness"]) > 10

    def test_a_stored_face_decides_as_it_did_when_seen(self, clip: Path, tmp_path: Path) -> None:
        picture = scene((160, 120))
        picture[30:78, 40:88] = (225, 31, 19)  # a hue that float16 cannot hold
        reference = write_image(tmp_path / "r.png", picture)
        run(reference, clip, tmp_path / "out")
        gallery = collect(
            [reference], 1, lambda: Look(painted_eyes(), Wanted(0.5, extract_size=64)), HUE, 0.6
        )
        stored = query(tmp_path / "out", "SELECT distance FROM outcome ORDER BY frame, number")
        distance = decide(stored_faces(tmp_path / "out").embedding, gallery, 0.6).distance
        assert distance.tolist() == [each for (each,) in stored]

    def test_the_index_tells_about_the_source(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, skip_frames=4)
        assert query(
            tmp_path,
            "SELECT path, every, width, height, duration_seconds, frame_count, frames_read,"
            " frames_looked_at, frames_damaged, warnings, computed, complete, forgotten FROM scan",
        ) == [(str(clip), 5, 256, 144, 1.2, CLIP_FRAMES, CLIP_FRAMES, 6, 0, "[]", "painted", 1, 0)]
        assert query(tmp_path, "SELECT path, name, scan, complete FROM source") == [
            (str(clip), "clip", 1, 1)
        ]


class TestAgain:
    def test_the_same_run_gives_the_same_files(self, red: Path, clip: Path, tmp_path: Path) -> None:
        first = run(red, clip, tmp_path)
        before, rows_before = contents(tmp_path), rows(tmp_path)
        second = run(red, clip, tmp_path)
        assert contents(tmp_path) == before
        assert rows(tmp_path) == rows_before
        assert first.faces_written == second.faces_written

    def test_another_video_joins_the_folder(self, red: Path, clip: Path, tmp_path: Path) -> None:
        other = another(clip, tmp_path / "other.mp4")
        out = tmp_path / "out"
        run(red, clip, out, skip_frames=9)
        run(red, other, out, skip_frames=9)
        assert len(pictures(out)) == 4
        assert {Path(row["source"]).name for row in table(out)} == {"clip.mp4", "other.mp4"}

    def test_no_image_stays_behind_when_the_video_was_replaced(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        video = Path(shutil.copy(clip, tmp_path / "v.mp4"))
        run(red, video, tmp_path / "out")
        write_clip(video, [scene(red=(100, 20)) for _ in range(3)])
        run(red, video, tmp_path / "out")
        assert len(pictures(tmp_path / "out")) == 3
        assert_consistent(tmp_path / "out")

    @pytest.mark.parametrize(
        "change",
        [
            {"tolerance": 0.5},
            {"extract_size": 96},
            {"skip_frames": 1},
            {"scale": 0.6},
            {"blur_threshold": 11},
            {"format": "png"},
        ],
    )
    def test_other_settings_are_refused(
        self, red: Path, clip: Path, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        run(red, clip, tmp_path)
        before, rows_before = contents(tmp_path), rows(tmp_path)
        with pytest.raises(StoreError, match=next(iter(change))) as caught:
            run(red, clip, tmp_path, **change)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)
        assert contents(tmp_path) == before
        assert rows(tmp_path) == rows_before

    def test_another_person_is_refused(
        self, red: Path, green: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path)
        before, rows_before = contents(tmp_path), rows(tmp_path)
        for other in (green, "*"):
            with pytest.raises(StoreError, match="references"):
                run(other, clip, tmp_path)
        assert contents(tmp_path) == before
        assert rows(tmp_path) == rows_before

    def test_speed_is_no_other_setting(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, batch_size=2)
        assert run(red, clip, tmp_path, batch_size=64).faces_written == RED_UNTIL


class TestUnreadable:
    def test_one_of_three_is_named_and_the_others_are_done(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"no video at all" * 99)
        other = another(clip, tmp_path / "other.mp4")
        summary = run(red, [clip, bad, other], tmp_path / "out", skip_frames=9)
        ((path, why),) = summary.failed
        assert path == bad
        assert str(bad) in why
        assert len(pictures(tmp_path / "out")) == 4
        assert_consistent(tmp_path / "out")

    @pytest.mark.parametrize("count", [1, 3])
    def test_all_of_them_is_an_error_and_no_folder_is_made(
        self, red: Path, tmp_path: Path, count: int
    ) -> None:
        videos = [tmp_path / f"{number}.mp4" for number in range(count)]
        for video in videos:
            video.write_bytes(b"no video at all" * 99)
        with pytest.raises(MediaError, match=re.escape(str(videos[-1]))):
            run(red, videos, tmp_path / "deep" / "out")
        assert not (tmp_path / "deep").exists()

    def test_each_of_them_is_named(
        self, red: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        videos = [tmp_path / f"{number}.mp4" for number in range(3)]
        for video in videos:
            video.write_bytes(b"no video at all" * 99)
        with pytest.raises(MediaError, match=re.escape(str(videos[-1]))):
            run(red, videos, tmp_path / "out")
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2
        for video, line in zip(videos, told, strict=False):
            assert line.startswith("not read: ")
            assert str(video) in line
            assert "\n" not in line

    def test_a_video_whose_frames_looked_at_are_all_damaged(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NothingToLookAt(FrameReader):
            width = height = 64
            frame_count, duration_seconds = 3, 1.0
            warnings = ("2 frames were damaged and passed over",)  # type: ignore[assignment]

            def __init__(self) -> None:
                super().__init__(clip, 1000)
                self._frames = iter(())
                self._tally.damaged = 2

            def close(self) -> None: ...

        monkeypatch.setattr(facegrab.walk, "open_source", lambda *_, **__: NothingToLookAt())
        with pytest.raises(MediaError, match=r"clip\.mp4"):
            run(red, clip, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_damaged_picture_is_counted_and_named(self, red: Path, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        write_image(folder / "a.png", scene(red=(10, 20)))
        (folder / "b.png").write_bytes(b"\x89PNG broken")
        write_image(folder / "c.png", scene(red=(10, 20)))
        summary = run(red, folder, tmp_path / "out")
        assert (summary.frames_read, summary.frames_damaged, summary.faces_written) == (2, 1, 2)
        assert str(folder / "b.png") in summary.warnings[0]


@pytest.mark.usefixtures("short_segments")
class TestCtrlC:
    def test_what_is_committed_stays(self, red: Path, clip: Path, tmp_path: Path) -> None:
        watcher = CtrlC()
        summary = run(red, clip, tmp_path, batch_size=4, watcher=watcher)
        assert summary.interrupted
        assert summary.faces_written == 4
        assert len(pictures(tmp_path)) == 4
        assert len(table(tmp_path)) == 8
        assert watcher.ended == 1
        assert query(tmp_path, "SELECT complete FROM source") == [(0,)]
        assert_consistent(tmp_path)

    def test_the_run_can_be_done_again(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path / "a", batch_size=4, watcher=CtrlC())
        run(red, clip, tmp_path / "a", batch_size=4)
        run(red, clip, tmp_path / "b", batch_size=4)
        assert contents(tmp_path / "a") == contents(tmp_path / "b")
        assert rows(tmp_path / "a") == rows(tmp_path / "b")

    def test_the_second_time(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, batch_size=4)
        before, rows_before = contents(tmp_path), rows(tmp_path)
        run(red, clip, tmp_path, batch_size=4, watcher=CtrlC())
        assert contents(tmp_path) == before
        assert rows(tmp_path) == rows_before

    def test_in_the_middle_of_a_batch(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_at(monkeypatch, Index, "add", 2, KeyboardInterrupt())
        summary = run(red, clip, tmp_path, batch_size=4)
        assert summary.interrupted
        assert len(pictures(tmp_path)) == 4
        assert_consistent(tmp_path)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("short_segments")
class TestFullDisk:
    @pytest.mark.parametrize("what", ["write_bytes", "replace"])
    @pytest.mark.parametrize("image", [1, 6])
    def test_while_writing_images(
        self,
        red: Path,
        clip: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        what: str,
        image: int,
    ) -> None:
        fail_at(monkeypatch, Path, what, image, no_space())
        with pytest.raises(OutputError, match="no space left") as caught:
            run(red, clip, tmp_path, batch_size=4)
        assert "\n" not in str(caught.value)
        assert len(pictures(tmp_path)) == 4 * ((image - 1) // 4)
        assert_consistent(tmp_path)

    def test_half_an_image_is_not_left(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def half(path: Path, data: bytes) -> int:
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
            raise no_space()

        monkeypatch.setattr(Path, "write_bytes", half)
        with pytest.raises(OutputError):
            run(red, clip, tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {"facegrab.csv", "facegrab.db"}

    def test_while_writing_the_index(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect: Any = sqlite3.connect

        def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
            database: sqlite3.Connection = connect(*arguments, **options)
            database.execute("PRAGMA max_page_count = 24")
            return database

        monkeypatch.setattr(sqlite3, "connect", small)
        with pytest.raises(OutputError, match="no space left"):
            run(red, clip, tmp_path, batch_size=4)
        monkeypatch.undo()
        assert 0 < len(pictures(tmp_path)) < RED_UNTIL
        assert_consistent(tmp_path)

    def test_the_run_can_be_done_again_with_more_space(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, Path, "write_bytes", 6, no_space())
            with pytest.raises(OutputError):
                run(red, clip, tmp_path / "a", batch_size=4)
        run(red, clip, tmp_path / "a", batch_size=4)
        run(red, clip, tmp_path / "b", batch_size=4)
        assert contents(tmp_path / "a") == contents(tmp_path / "b")
        assert rows(tmp_path / "a") == rows(tmp_path / "b")


class BoomError(Exception):
    """Nothing that FaceGrab raises or catches."""


@pytest.mark.usefixtures("short_segments")
class TestWhatRaisesSurfaces:
    """As itself; that no thread is left behind is checked after every test."""

    def test_in_the_detector(self, red: Path, clip: Path, tmp_path: Path) -> None:
        eyes = painted_eyes()

        class Broken(PaintedDetector):
            def __call__(self, images: Any, feeds: Any) -> list[Detections]:
                found = super().__call__(images, feeds)
                if len(self.batches) == 4:
                    raise BoomError
                return found

        broken = replace(eyes, detector=Broken())
        with pytest.raises(BoomError):
            # One thread: else the fourth call may be for the batch before.
            run(red, clip, tmp_path, batch_size=4, threads=1, eyes=broken)
        assert our_threads() == []
        # The reference was its first call; the second segment's end was not seen.
        assert len(pictures(tmp_path)) == 4
        assert_consistent(tmp_path)

    @pytest.mark.parametrize("frame", [1, 9])
    def test_in_the_decoder(
        self,
        red: Path,
        clip: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        frame: int,
    ) -> None:
        fail_at(monkeypatch, VideoReader, "__next__", frame, BoomError())
        with pytest.raises(BoomError):
            run(red, clip, tmp_path / "out", batch_size=4)
        assert our_threads() == []
        if frame == 1:
            assert not (tmp_path / "out").exists()
        else:
            assert len(pictures(tmp_path / "out")) == 4

    def test_in_the_writer(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_at(monkeypatch, cv2, "imencode", 7, BoomError())
        with pytest.raises(BoomError):
            run(red, clip, tmp_path, batch_size=4)
        assert our_threads() == []
        assert len(pictures(tmp_path)) == 4
        assert_consistent(tmp_path)

    def test_in_the_watcher(self, red: Path, clip: Path, tmp_path: Path) -> None:
        class Broken(Notes):
            def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
                raise BoomError

        watcher = Broken()
        with pytest.raises(BoomError):
            run(red, clip, tmp_path, batch_size=4, watcher=watcher)
        assert watcher.ended == 1
        assert_consistent(tmp_path)

    def test_a_video_that_breaks_off_with_an_error_keeps_its_first_part(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_at(monkeypatch, VideoReader, "__next__", 9, MediaError("clip.mp4 grew too large"))
        with pytest.raises(MediaError, match="grew"):
            run(red, clip, tmp_path / "out", batch_size=4)
        assert len(pictures(tmp_path / "out")) == 8
        assert_consistent(tmp_path / "out")

    def test_and_the_videos_after_it_are_done(
        self, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = another(clip, tmp_path / "other.mp4")
        read = VideoReader.__next__

        def breaks_off(reader: VideoReader) -> Frame:
            frame = read(reader)
            if reader.path == clip and frame.index == 8:
                raise MediaError("clip.mp4 grew too large")
            return frame

        monkeypatch.setattr(VideoReader, "__next__", breaks_off)
        summary = run(red, [clip, other], tmp_path / "out", batch_size=4)
        assert summary.failed == [(clip, "clip.mp4 grew too large")]
        assert summary.faces_written == 8 + RED_UNTIL == len(pictures(tmp_path / "out"))
        assert len(table(tmp_path / "out")) == 16 + RED_UNTIL + CLIP_FRAMES
        assert_consistent(tmp_path / "out")
