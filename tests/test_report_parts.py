"""What the report is put together from: times, links, charts, timelines, pages."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from reports import SETTINGS, write_folder
from stores import change

from facegrab.store.files import as_text, printable
from facegrab.store.findings import Findings
from facegrab.store.found import Appearance, FaceFound, SourceFound
from facegrab.types import FloatArray
from facegrab.view import content, facts, words
from facegrab.view.charts import Histogram, Line, draw, ticks
from facegrab.view.coverage import poses, score_chart, sharpness_chart
from facegrab.view.links import at, clock, link, spell
from facegrab.view.pages import anchors, page_of, paged
from facegrab.view.report import write_report
from facegrab.view.timeline import FINEST, timeline


def source(**facts: object) -> SourceFound:
    known = {
        "row": 1, "path": "/a.mp4", "pictures": False, "seconds": 100.0, "frame_count": 2500,
        "every": 25, "frames_read": 2500, "frames_looked_at": 100, "frames_damaged": 0,
        "complete": True, "forgotten": False, "written": 1, "unsure": 0, "dropped": {},
    }  # fmt: skip
    return SourceFound(**{**known, **facts})  # type: ignore[arg-type]


def face(number: int, track: int = 0, person: str = "", source: int = 1) -> FaceFound:
    return FaceFound(
        source, person, "kept", track, number, number / 25, None, 0.3, None, 50.0, 64.0, False,
        f"{number}.jpg", 1,
    )  # fmt: skip


def seen(
    start: float, end: float, track: int = 0, state: str = "kept", who: str = ""
) -> Appearance:
    return Appearance(1, who, state, track, start, end, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (3661, "1:01:01"), (-3, "-0:03")]
)
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


def test_clock_of_tenths_carries() -> None:
    assert clock(59.96, tenths=True) == "1:00.0"


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.44, "3.4 s"), (59.96, "1 min 0 s"), (3660, "1 h 1 min")]
)
def test_spelt_times(seconds: float, words: str) -> None:
    assert spell(seconds) == words


def test_a_time_is_a_media_fragment() -> None:
    assert [at(each) for each in (0, 12.34, 10, -1)] == ["#t=0", "#t=12.34", "#t=10", "#t=0"]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are UTF-8 there")
def test_names_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    reference = link(Path(as_text(path)), tmp_path)
    assert reference.isascii()
    assert unquote_to_bytes(reference) == b"caf\xe9.mp4"


def test_what_cannot_be_seen_is_spelt_out() -> None:
    assert printable("a\u202eb\n\x1b") == "a\\u202eb\\n\\x1b"
    persian = "می\u200cخواهم é 👩\u200d🚀"
    assert printable(persian) == persian


class TestCharts:
    @pytest.mark.parametrize("span", [(0, 1), (0.1, 0.74), (3, 3), (0, 123456), (-2.5, 9)])
    def test_ticks_are_few_and_inside(self, span: tuple[float, float]) -> None:
        found = ticks(*span, 5)
        assert 1 <= len(found) <= 5
        assert span[0] <= min(found)
        assert max(found) <= span[1]

    def test_bars_stand_on_each_other_and_lines_where_they_belong(self) -> None:
        svg = draw(Histogram("x", 0, 0.1, {"kept": [4, 0], "others": [4, 8]}, [Line(0.1, "<t>")]))
        bars = re.findall(r'class="bar (\w+)" x="([\d.]+)" y="([\d.]+)".*?height="([\d.]+)"', svg)
        assert [kind for kind, *_ in bars] == ["kept", "others", "others"]
        (_, _, y0, h0), (_, _, y1, h1), _ = bars
        assert float(y1) + float(h1) == pytest.approx(float(y0), abs=0.2)
        assert h0 == h1
        x = re.search(r'class="limit" x1="([\d.]+)"', svg)
        assert x
        assert float(x[1]) == pytest.approx(float(bars[2][1]) - 0.5, abs=0.2)
        assert "<t>" not in svg
        assert 'aria-label="x: 4 kept, 12 others; from 0 to 0.2' in svg

    def test_scores_without_references(self) -> None:
        assert score_chart({}, SETTINGS) is None

    def test_a_nonsensical_tolerance_draws_no_line(self) -> None:
        chart = score_chart({(3, "kept"): 2}, {"tolerance": "<b>"})
        assert chart
        assert "limit" not in chart

    def test_sharpness_without_a_threshold_or_faces(self) -> None:
        assert sharpness_chart([], SETTINGS) is None
        assert sharpness_chart([0.0, float("inf")], SETTINGS) is None
        chart = sharpness_chart([5.0, 50.0], {})
        assert chart
        assert "2 kept" in chart

    def test_sharpness_tells_the_blurred_apart(self) -> None:
        chart = sharpness_chart([5.0, 9.9, 10.0, 900.0], SETTINGS)
        assert chart
        assert "2 left, 2 kept" in chart


class TestPoses:
    def test_heads_are_counted_by_how_they_are_turned(self) -> None:
        yaw = np.array([0, 5, -35, 80, 0, np.nan], np.float32)
        pitch = np.array([0, 5, 0, 30, -30, 0], np.float32)
        found = poses([(yaw, pitch)])
        assert found.unknown == 1
        counts = {name: [count for count, _ in cells] for name, cells in found.rows}
        assert counts == {"up": [0, 0, 0, 0, 1], "level": [0, 1, 2, 0, 0], "down": [0, 0, 1, 0, 0]}
        assert found.rows[1][1][2] == (2, 1.0)

    def test_they_stand_in_the_page(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out")
        page = write_report(folder).path.read_text("utf-8")
        assert "Heads of the extracts" in page
        counts = re.findall(r'<td style="--share:[^"]*">([\d,]+)</td>', page)
        unknown = re.search(r"Of (\d+) it is not known", page)
        assert sum(map(int, counts)) + (int(unknown[1]) if unknown else 0) == 36

    def test_they_are_measured_by_five_points(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write_folder(tmp_path / "out")
        shapes = []

        def heads(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            shapes.append(points.shape)
            straight = np.zeros(len(points), np.float32)
            return straight, straight, straight

        monkeypatch.setattr(content, "HEADS", heads)
        write_report(folder)
        assert shapes == [(36, 5, 2)]


class TestTimeline:
    def test_lanes_are_people_then_strangers(self) -> None:
        found = timeline(
            source(),
            [seen(1, 2, 0, "other"), seen(3, 4, 1, "kept", "Zoë"), seen(5, 6, 2, "left", "Al"),
             seen(7, 8, 3, "ask", "Al"), seen(9, 10, 4, "kept", "Al")],
        )  # fmt: skip
        lanes = [(each.person, each.state) for each in found.lanes]
        assert lanes == [("Al", "kept"), ("Al", "ask"), ("Al", "left"), ("Zoë", "kept"),
                         ("", "other")]  # fmt: skip

    def test_places_are_shares_of_the_length(self) -> None:
        (span,) = timeline(source(), [seen(25, 49)]).lanes[0].spans
        assert (span.left, span.width) == (25, 25)  # each frame counts for the second after it

    def test_who_is_there_twice_counts_once(self) -> None:
        found = timeline(source(), [seen(0, 9), seen(5, 14, 1), seen(50, 59, 2, "ask")])
        assert found.on_screen == {"": 15.0}  # not with the third, which is in doubt

    def test_strangers_are_not_counted(self) -> None:
        assert timeline(source(), [seen(0, 9, 0, "other")]).on_screen == {}

    def test_spans_are_not_more_than_can_be_seen(self) -> None:
        many = [seen(each * 3.0, each * 3.0, each) for each in range(20_000)]
        (lane,) = timeline(source(seconds=60_000.0, frame_count=1_500_000), many).lanes
        assert len(lane.spans) <= FINEST
        assert lane.faces == 60_000
        assert all(0 <= each.left <= 100 for each in lane.spans)
        assert all(each.left + each.width <= 100.01 for each in lane.spans)

    def test_times_are_more_at_larger_zooms(self) -> None:
        found = timeline(source(seconds=5400.0), [seen(0, 1)]).ticks
        shown = [sum(each.zoom <= zoom for each in found) for zoom in (1, 4, 16)]
        assert 3 <= shown[0] <= 5 < shown[1] <= 20 < shown[2] <= 80
        assert [each.left for each in found] == sorted(each.left for each in found)

    def test_of_unknown_length(self) -> None:
        found = timeline(source(seconds=None, frame_count=None), [seen(0, 8)])
        assert found.seconds == 8

    def test_pictures_have_no_times(self) -> None:
        assert not timeline(source(pictures=True), [seen(0, 8)]).ticks


class TestPages:
    def test_extracts_stand_by_track(self) -> None:
        (groups,) = paged([face(0, 0), face(1, 5), face(2, 0), face(0, 0, "", 2)], frozenset())
        assert [(each.source, each.count) for each in groups] == [(1, 3), (2, 1)]
        assert [[f.frame for f in block.faces] for block in groups[0].blocks] == [[0, 2], [1]]

    def test_pictures_stand_together(self) -> None:
        (groups,) = paged([face(each, each) for each in range(4)], frozenset([1]))
        assert [len(block.faces) for block in groups[0].blocks] == [4]

    def test_a_track_that_fits_is_not_parted(self) -> None:
        pages = paged([face(each, each // 6) for each in range(12)], frozenset(), 10)
        assert [sum(group.count for group in page) for page in pages] == [6, 6]

    @pytest.mark.parametrize("before", [0, 3, 10])
    def test_a_long_one_is(self, before: int) -> None:
        faces = [face(each, 0) for each in range(before)]
        faces += [face(100 + each, 1) for each in range(25)]
        pages = paged(faces, frozenset(), 10)
        counts = [sum(group.count for group in page) for page in pages]
        assert sum(counts) == before + 25
        assert max(counts) <= 10
        assert len(pages) == -(-(before + 25) // 10)
        assert page_of(pages)["", 1, 1] == before // 10

    def test_names_are_in_no_anchor(self) -> None:
        pages = paged([face(0, 3, '"<b>'), face(1, 3, "x")], frozenset())
        assert sorted(anchors(pages).values()) == ["p0-s1-t3", "p1-s1-t3"]

    def test_nothing_is_one_page(self) -> None:
        assert paged([], frozenset()) == [[]]


class TestFindings:
    def test_strangers_are_the_nearest_of_their_tracks(self, tmp_path: Path) -> None:
        with Findings(write_folder(tmp_path / "out")) as findings:
            found = findings.strangers(9)
            assert [(each.track, each.frame, each.faces) for each in found] == [
                (2, 140, 10), (5, 350, 10),
            ]  # fmt: skip
            assert [each.distance for each in found] == pytest.approx([0.9, 0.9])
            assert len(findings.strangers(1)) == 1

    def test_of_several_alignments_there_is_one_extract(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out")
        change(
            folder / "facegrab.db",
            "INSERT INTO extract SELECT source, frame, number, 'ffhq', 'ffhq/' || file, 512, 1"
            " FROM extract",
        )
        with Findings(folder) as findings:
            extracts = findings.extracts()
        assert len(extracts) == 36
        assert {each.extracts for each in extracts} == {2}
        assert extracts[0].file == "film0_00000_0.png"

    def test_without_tracks_each_frame_is_one(self, tmp_path: Path) -> None:
        """What versions before tracks saw."""
        folder = write_folder(tmp_path / "out")
        change(folder / "facegrab.db", "UPDATE face SET track = -1")
        with Findings(folder) as findings:
            assert len(findings.appearances()) == 60

    def test_people_verdicts_and_probabilities_once_there_are_any(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out")
        with Findings(folder) as findings:
            assert {each.state for each in findings.extracts()} == {"kept"}
        change(
            folder / "facegrab.db",
            "UPDATE outcome SET person = 'Al', probability = .97, verdict = 'keep';"
            "UPDATE outcome SET verdict = 'ask', probability = .5 WHERE frame = 0;",
        )
        with Findings(folder) as findings:
            first, second, *_ = findings.extracts()
        assert (first.person, first.state, first.probability) == ("Al", "ask", 0.5)
        assert (second.person, second.state, second.probability) == ("Al", "kept", 0.97)
        html = write_report(folder).path.read_text("utf-8")
        assert "Al, uncertain" in html
        assert "<b>50 %</b>" in html
        assert "35 faces of Al, in 1 video" in html
        assert "1 face is in doubt: their extracts lie apart." in html
        assert 'aria-label="faces by probability: 35 kept, 1 uncertain, 4 left, 20 others' in html
        assert "Al at 0:00.0, probability 50 %" in html

    def test_scores_count_every_face(self, tmp_path: Path) -> None:
        with Findings(write_folder(tmp_path / "out")) as findings:
            scores = findings.scores(0.02)
        assert sum(scores.values()) == 60
        assert sum(count for (_, state), count in scores.items() if state == "other") == 20


def test_reasons_that_nobody_knows_are_told_as_they_are() -> None:
    (found,) = words.dropped([source(dropped={"too green": 3})])
    assert (found.name, found.count, found.share, found.why) == ("too green", 3, 75.0, "")


def test_settings_are_shown_as_they_are_written() -> None:
    shown = [facts.shown(each) for each in (True, None, 10.0, ["a", "b"], "x", 7)]
    assert shown == ["yes", "none", "10", "a, b", "x", "7"]
