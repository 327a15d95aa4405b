"""``facegrab pick`` and ``--best``: what is copied where, what is said, what is left alone."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_image
from fakes import fail_at, pictures, query, scene
from portraits import DLIB, apart, drawn, faces_of, write_portraits
from reports import Page
from stores import change

from facegrab import picking
from facegrab.appraisal import measure, promising
from facegrab.cli import main
from facegrab.console import Screen
from facegrab.errors import MissingError, OutputError, SettingError, StoreError
from facegrab.people.choose import turn_bins
from facegrab.picking import pick
from facegrab.store.candidates import Portfolio
from facegrab.store.origin import load_origin
from facegrab.types import Image
from facegrab.vision.look import Eyes
from facegrab.vision.pose import head_pose_of_five

RUN = ["-sf", "0", "-xs", "64", "-s", "0.5", "-j", "1"]
COUNT = 20


def faces(count: int = COUNT) -> list[Image]:
    """Faces that differ in where they look and whether they smile."""
    turns = np.linspace(-1, 1, count)
    return [drawn(turn=turn, smile=(-1) ** row) for row, turn in enumerate(turns.tolist())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_portraits(tmp_path / "out", faces())
    return tmp_path / "out"


def table(place: Path) -> list[dict[str, str]]:
    with (place / "best.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def everything(place: Path) -> dict[str, bytes]:
    return {
        p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()
    }


class TestPick:
    def test_copies_a_table_and_two_sheets(self, folder: Path) -> None:
        (picked,) = pick(folder, 5)
        assert (picked.person, picked.count, picked.extracts) == ("", 5, COUNT)
        rows = table(folder / "best")
        assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
        for row in rows:
            assert row["file"] == f"{row['rank']}_{row['extract']}"
            copy = folder / "best" / row["file"]
            assert copy.read_bytes() == (folder / row["extract"]).read_bytes()
            assert row["source"] == "/films/film.mp4"
            assert 0.3 < float(row["worth"]) <= 1
            assert abs(float(row["yaw"])) <= 33
        names = {*(row["file"] for row in rows), "best.csv", "best.jpg", "before.jpg"}
        assert set(everything(folder / "best")) == names

    def test_the_extracts_and_the_index_stay_as_they_are(self, folder: Path) -> None:
        before = everything(folder)
        pick(folder, 5)
        after = everything(folder)
        assert {name: after[name] for name in before} == before

    def test_again_is_the_same_and_another_number_replaces_it(self, folder: Path) -> None:
        pick(folder, 5)
        first = everything(folder / "best")
        pick(folder, 5)
        assert everything(folder / "best") == first
        pick(folder, 3)
        assert len(table(folder / "best")) == 3
        assert len(pictures(folder / "best")) == 5

    def test_the_sheets_show_as_many(self, folder: Path) -> None:
        pick(folder, 5)
        sheets = [cv2.imread(str(folder / "best" / name)) for name in ("best.jpg", "before.jpg")]
        best, before = sheets
        assert best is not None
        assert before is not None
        assert best.shape == before.shape
        assert best.shape[1] == 5 * 130
        assert not np.array_equal(best, before)

    def test_blurred_covered_and_dark_ones_are_not_picked(self, tmp_path: Path) -> None:
        images = faces(30)
        images[3], images[11], images[20] = (
            drawn(blur=20), drawn(light=0.05), drawn(turn=0.4, hand=True),
        )  # fmt: skip
        flat = faces_of(apart(30), [0.0] * 30)
        names = write_portraits(tmp_path / "out", images, flat)
        (picked,) = pick(tmp_path / "out", 30)
        assert picked.poor == 3
        extracts = {row["extract"] for row in table(tmp_path / "out" / "best")}
        assert not extracts & {names[row] for row in (3, 11, 20)}

    def test_of_a_person_who_sits_still_one(self, tmp_path: Path) -> None:
        still = faces_of(apart(COUNT, 0.05), [0.0] * COUNT)
        write_portraits(tmp_path / "out", [drawn()] * COUNT, still)
        (picked,) = pick(tmp_path / "out", 5)
        assert (picked.count, picked.left, picked.poor) == (1, COUNT - 1, 0)

    def test_only_what_is_surely_the_persons(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_portraits(out, faces(6), content="sure")
        write_portraits(out, faces(6), content="doubt", verdict="ask")
        write_portraits(out, faces(6), content="either", verdict="ambiguous")
        (picked,) = pick(out, 20)
        assert picked.extracts == 6
        assert {Path(row["source"]).stem for row in table(out / "best")} == {"sure"}

    def test_of_all_videos(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_portraits(out, faces(20), content="long")
        write_portraits(out, faces(4), faces_of(apart(4, seed=9), [-30, -10, 10, 30.0]),
                        content="short")  # fmt: skip
        pick(out, 6)
        short = [row for row in table(out / "best") if "short" in row["source"]]
        assert len(short) >= 2

    def test_an_address_is_said_as_it_was_given(self, tmp_path: Path) -> None:
        write_portraits(tmp_path / "out", faces(4), films="s3://films/old")
        pick(tmp_path / "out", 2)
        told = {row["source"] for row in table(tmp_path / "out" / "best")}
        assert told == {"s3://films/old/film.mp4"}

    def test_an_extract_that_is_not_in_its_persons_folder_is_picked_too(
        self, tmp_path: Path
    ) -> None:
        write_portraits(tmp_path, faces(8))
        change(tmp_path / "facegrab.db", "UPDATE outcome SET person = 'nick'")
        (picked,) = pick(tmp_path, 2)
        assert (picked.person, picked.count) == ("nick", 2)
        assert len(pictures(tmp_path / "best" / "nick")) == 4

    def test_a_folder_for_each_person(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_portraits(out, faces(8), content="a", person="nick")
        write_portraits(out, faces(8), content="b", person="friend")
        assert [(each.person, each.count) for each in pick(out, 3)] == [("friend", 3), ("nick", 3)]
        for name, source in (("nick", "a"), ("friend", "b")):
            rows = table(out / "best" / name)
            assert {row["source"] for row in rows} == {f"/films/{source}.mp4"}
            assert all((out / "best" / name / row["file"]).is_file() for row in rows)
            assert all("/" not in row["file"] for row in rows)

    def test_whoever_is_like_nobody_is_no_person(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        settings = {**DLIB, "group": True, "references": "*"}
        for name in ("person-1", "others"):
            write_portraits(out, faces(6), content=name, person=name, settings=settings)
        assert [each.person for each in pick(out, 3)] == ["person-1"]

    def test_every_alignment(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_portraits(out, faces(6), person="nick", alignments=["arcface-112", "ffhq-512"])
        (picked,) = pick(out, 2)
        assert picked.extracts == 6
        files = [row["file"].split("/")[0] for row in table(out / "best" / "nick")]
        assert files == ["arcface-112", "ffhq-512"] * 2
        assert len(pictures(out / "best" / "nick" / "ffhq-512")) == 2

    def test_another_recognisers_distances(self, tmp_path: Path) -> None:
        """By cosine: how long an embedding is says nothing."""
        out = tmp_path / "out"
        still = faces_of(
            apart(COUNT, 0.05) * np.linspace(1, 3, COUNT, dtype=np.float32)[:, None], [0.0] * COUNT
        )
        settings = {**DLIB, "recogniser": "sface-12345678", "tolerance": 0.6}
        write_portraits(out, [drawn()] * COUNT, still, settings=settings)
        (picked,) = pick(out, 5)
        assert picked.count == 1


class TestWhatIsMissing:
    def test_an_unreadable_one_is_named(self, folder: Path) -> None:
        name = "film_f7_0.png"
        (folder / name).write_bytes(b"no image")
        (picked,) = pick(folder, COUNT)
        assert picked.unreadable == (name,)
        assert name not in {row["extract"] for row in table(folder / "best")}

    def test_one_that_claims_to_be_huge(self, folder: Path) -> None:
        whole = (folder / "film_f7_0.png").read_bytes()
        huge = whole[:16] + (100_000).to_bytes(4, "big") * 2 + whole[24:]
        (folder / "film_f7_0.png").write_bytes(huge)
        (picked,) = pick(folder, COUNT)
        assert picked.unreadable == ("film_f7_0.png",)

    def test_those_that_somebody_deleted(self, folder: Path) -> None:
        for row in range(15):
            (folder / f"film_f{row * 7}_0.png").unlink()
        (picked,) = pick(folder, COUNT)
        assert (picked.gone, picked.unreadable) == (15, ())
        assert 1 <= picked.count <= 5

    def test_all_of_them(self, folder: Path) -> None:
        pick(folder, 3)
        for file in folder.glob("*.png"):
            file.unlink()
        before = everything(folder / "best")
        with pytest.raises(MissingError, match="gone or unreadable"):
            pick(folder, 3)
        assert everything(folder / "best") == before

    def test_none_is_good_enough(self, tmp_path: Path) -> None:
        write_portraits(tmp_path / "out", [drawn(blur=25)] * 5)
        with pytest.raises(MissingError, match="is good enough"):
            pick(tmp_path / "out", 3)
        assert not (tmp_path / "out" / "best").exists()

    def test_no_run_wrote_there(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match="holds no index"):
            pick(tmp_path, 3)

    def test_no_extracts(self, tmp_path: Path) -> None:
        write_portraits(tmp_path / "out", faces(3), verdict="ask")
        with pytest.raises(MissingError, match="uncertain"):
            pick(tmp_path / "out", 3)

    @pytest.mark.parametrize("count", [0, -3, 5001, True, 2.5])
    def test_a_number_out_of_range(self, folder: Path, count: int) -> None:
        with pytest.raises(SettingError, match="from 1 to 5000"):
            pick(folder, count)

    @pytest.mark.parametrize("name", ["../elsewhere", "a/b", "..", "/tmp/x"])
    def test_a_person_of_a_name_that_leads_elsewhere(self, folder: Path, name: str) -> None:
        change(folder / "facegrab.db", f"UPDATE outcome SET person = '{name}'")
        with pytest.raises(StoreError, match="damaged"):
            pick(folder, 3)

    def test_an_extract_of_a_name_that_leads_elsewhere(self, folder: Path) -> None:
        outside = folder.parent / "secret.png"
        shutil.copy(folder / "film_f7_0.png", outside)
        name = "'../secret.png' WHERE file = 'film_f7_0.png'"
        change(folder / "facegrab.db", f"UPDATE extract SET file = {name}")
        (picked,) = pick(folder, COUNT)
        assert picked.gone == 1
        assert not any("secret" in name for name in everything(folder / "best"))

    def test_a_link_that_leads_elsewhere(self, folder: Path) -> None:
        outside = folder.parent / "secret.png"
        (folder / "film_f7_0.png").rename(outside)
        (folder / "film_f7_0.png").symlink_to(outside)
        (picked,) = pick(folder, COUNT)
        assert picked.gone == 1

    def test_somebody_elses_folder(self, folder: Path) -> None:
        (folder / "best").mkdir()
        (folder / "best" / "of me.jpg").write_bytes(b"mine")
        with pytest.raises(OutputError, match=r"of me\.jpg is not FaceGrab's"):
            pick(folder, 3)
        assert (folder / "best" / "of me.jpg").read_bytes() == b"mine"


class TestPromising:
    def test_of_very_many_the_best_of_every_track_and_turn(self, tmp_path: Path) -> None:
        count = 100
        seen = faces_of(apart(count), [0.0 if row % 10 else 40.0 for row in range(count)])
        sharp = np.array([10 + row % 10 for row in range(count)], np.float32)
        write_portraits(tmp_path / "out", [drawn(side=32)] * count, replace(seen, sharpness=sharp))
        with Portfolio(tmp_path / "out") as portfolio:
            candidates = portfolio.candidates("")
        yaw, pitch, _ = head_pose_of_five(candidates.points5)
        rows = promising(candidates, turn_bins(yaw, pitch), 20).tolist()
        # The one that is turned, and the sharpest of the others.
        assert rows == sorted([*range(0, count, 10), *range(9, count, 10)])
        assert promising(candidates, turn_bins(yaw, pitch), 500).tolist() == list(range(count))

    def test_only_those_are_read(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("facegrab.appraisal.MOST_READ", 8)
        told: list[tuple[int, int]] = []
        with Portfolio(folder) as portfolio:
            measured = measure(portfolio, folder, "", 2, lambda *each: told.append(each))
        assert (len(measured.candidates), measured.extracts) == (8, COUNT)
        assert told == [(number, 8) for number in range(8)]


class TestCommand:
    def test_what_it_says(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["pick", str(folder), "-n", "5"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"5 of {COUNT} extracts picked",
            f"look at {folder / 'best'}: best.jpg shows them, before.jpg as many at random, "
            "best.csv why",
        ]

    def test_fewer_than_asked(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "out"
        still = faces_of(apart(COUNT, 0.05), [0.0] * COUNT)
        write_portraits(out, [drawn()] * 18 + [drawn(blur=20)] * 2, still, person="nick")
        (out / "nick" / "film_f14_0.png").write_bytes(b"")
        (out / "nick" / "film_f21_0.png").unlink()
        assert main(["pick", str(out)]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == (
            "nick: 1 of 20 extracts picked, 50 asked for: 2 too small, blurred, dark or covered, "
            "15 too like those picked"
        )
        assert said[1] == "nick: left out, no images: nick/film_f14_0.png"
        assert said[2] == "nick: left out: 1 extract no longer in the folder"
        assert said[3].startswith(f"look at {out / 'best'}: ")

    def test_there_are_no_more(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_portraits(tmp_path / "out", faces(2), faces_of(apart(2), [-30.0, 30.0]))
        assert main(["pick", str(tmp_path / "out"), "-n", "9"]) == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert first == "2 of 2 extracts picked, 9 asked for: there are no more"

    @pytest.mark.parametrize("number", ["0", "-1", "many", "2.5", "99999"])
    def test_a_wrong_number_is_one_line(
        self, folder: Path, number: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["pick", str(folder), "-n", number]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "-n is a whole number from 1 to 5000" in error
        assert not (folder / "best").exists()

    def test_nothing_there_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["pick", str(tmp_path / "nowhere")]) == 1
        assert capsys.readouterr().err.count("\n") == 1


class TestReport:
    def test_it_shows_them(self, folder: Path) -> None:
        assert main(["report", str(folder)]) == 0
        assert 'id="best"' not in (folder / "index.html").read_text("utf-8")
        assert main(["pick", str(folder), "-n", "4"]) == 0
        page = Page.of(folder / "index.html")
        shown = [each["src"] for each in page.all("img") if each["src"].startswith("best/")]
        assert shown == [f"best/{row['file']}" for row in table(folder / "best")]
        assert "#best" in [each["href"] for each in page.all("a")]

    def test_it_says_how_many_more(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("facegrab.view.content.MOST_BEST", 3)
        assert main(["report", str(folder)]) == 0
        assert main(["pick", str(folder), "-n", "5"]) == 0
        assert "2 more of them too" in Page.of(folder / "index.html").text


@pytest.fixture
def run(red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes) -> list[str]:
    """A command that asks for the best, too."""
    out = tmp_path / "out"
    return ["-r", str(red), "-i", str(clip), "-o", str(out), *RUN, "--best", "3"]


class TestRun:
    def test_at_its_end(
        self, run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(run) == 0
        rows = table(tmp_path / "out" / "best")
        assert 1 <= len(rows) <= 3
        said = capsys.readouterr().out
        assert f"{len(rows)} of 20 extracts picked" in said
        assert load_origin(tmp_path / "out" / "best" / rows[0]["file"]).frame == int(
            rows[0]["frame"]
        )
        assert 'id="best"' in (tmp_path / "out" / "index.html").read_text("utf-8")

    def test_with_an_index_elsewhere(self, run: list[str], tmp_path: Path) -> None:
        assert main([*run, "--index", str(tmp_path / "library.db")]) == 0
        assert table(tmp_path / "out" / "best")
        assert main(["pick", str(tmp_path / "out"), "-n", "1"]) == 0
        assert len(table(tmp_path / "out" / "best")) == 1

    def test_again_it_is_the_same(self, run: list[str], tmp_path: Path) -> None:
        assert main(run) == 0
        first = everything(tmp_path / "out" / "best")
        assert main(run) == 0
        assert everything(tmp_path / "out" / "best") == first

    def test_without_it_what_is_there_stays(self, run: list[str], tmp_path: Path) -> None:
        assert main(run) == 0
        first = everything(tmp_path / "out" / "best")
        assert main(run[:-2]) == 0
        assert everything(tmp_path / "out" / "best") == first

    @pytest.mark.parametrize("number", ["0", "-2", "x"])
    def test_a_wrong_number_stops_it_before_it_begins(
        self, run: list[str], tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*run[:-1], number]) == 1
        assert "best is a whole number from 1 to 5000" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_so_does_what_is_in_its_way(
        self, run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out" / "best").mkdir(parents=True)
        (tmp_path / "out" / "best" / "mine.jpg").write_bytes(b"mine")
        assert main(run) == 1
        assert "mine.jpg" in capsys.readouterr().err
        assert list(everything(tmp_path)) == ["out/best/mine.jpg"]

    def test_what_goes_wrong_with_it_takes_nothing_of_the_run(
        self,
        run: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        fail_at(monkeypatch, picking, "content_of", 1, OSError(28, "No space left on device"))
        assert main(run) == 1
        assert "no best extracts: no space left" in capsys.readouterr().out
        assert len(pictures(tmp_path / "out")) == 20
        assert (tmp_path / "out" / "index.html").exists()
        assert not list((tmp_path / "out").glob("*best*"))

    def test_nobody_found_is_no_error(
        self, run: list[str], clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        blue = write_image(tmp_path / "blue.png", scene((160, 120), blue=(40, 30)))
        assert main(["-r", str(blue), *run[2:]]) == 0
        assert "no best extracts" in capsys.readouterr().out

    def test_a_run_that_is_stopped_picks_nothing(
        self,
        run: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        fail_at(monkeypatch, Screen, "step", 1, KeyboardInterrupt())
        assert main(run) == 130
        assert "no best extracts are picked" in capsys.readouterr().out
        assert not (tmp_path / "out" / "best").exists()

    def test_copies_are_no_input(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes
    ) -> None:
        """The output lies in the folder that is read."""
        films = tmp_path / "films"
        films.mkdir()
        shutil.copy(clip, films / "clip.mp4")
        command = ["-r", str(red), "-i", str(films), "-o", str(films / "out"), *RUN, "--best", "3"]
        assert main(command) == 0
        assert table(films / "out" / "best")
        assert main(command) == 0
        sources = query(films / "out", "SELECT path FROM source")
        assert [Path(path).name for (path,) in sources] == ["clip.mp4"]

    def test_forgetting_a_source_takes_its_copies(self, run: list[str], tmp_path: Path) -> None:
        assert main(run) == 0
        assert main(["index", "forget", str(tmp_path / "out"), "clip.mp4"]) == 0
        left = [p.name for p in (tmp_path / "out").rglob("*") if p.suffix in (".jpg", ".png")]
        assert left == []
        assert not (tmp_path / "out" / "best").exists()
