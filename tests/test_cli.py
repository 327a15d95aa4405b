"""The command line as a user types it."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from clips import another, write_clip, write_image
from fakes import (
    CLIP_FRAMES,
    RED_UNTIL,
    CtrlC,
    assert_consistent,
    paint,
    pictures,
    scene,
    table,
)
from rich.console import Console

import facegrab
from facegrab import ProcessSettings, RecognitionSettings, Summary
from facegrab.cli import main
from facegrab.console import Screen
from facegrab.early import Early
from facegrab.media.source import Source
from facegrab.memory import COLLECT_OBJECTS
from facegrab.options import FAILED, INTERRUPTED, OK
from facegrab.people.gallery import Gallery
from facegrab.summary import Plan
from facegrab.vision.look import Eyes

ROOT = Path(__file__).parents[1]

OPTIONS = {
    "--reference": "-r", "--input": "-i", "--output": "-o", "--work": None,
    "--save_references": "-sr",
    "--display_stats": "-ds", "--batch_size": "-bs", "--skip_frames": "-sf",
    "--extract_size": "-xs", "--scale": "-s", "--tolerance": "-t", "--jitter": "-j",
    "--blur_threshold": "-bt", "--format": None, "--device": None, "--version": None,
    "--help": "-h", "--min_face": None, "--max_face": None, "--align": None, "--no_upsample": None,
    "--models": None, "--detector": None, "--recogniser": None, "--licence": None,
    "--precision": None, "--threads": None, "--full_scan": None, "--index": None, "--best": None,
    "--per_frame": None,
    "--forget_others": None,
    "--jobs": None,
    "--people": None,
    "--not": None,
    "--grow": None,
    "--display_output": "-do",
    "--no_browser": None,
    "--engine": None,
    "--address": None,
    "--shard": None,
    "--group": None,
}  # fmt: skip

RANGES: list[tuple[str, str, str, str, str]] = [
    # option, lowest, below, highest, above
    ("batch_size", "2", "1", "128", "129"),
    ("skip_frames", "0", "-1", "1000", "1001"),
    ("extract_size", "32", "31", "1024", "1025"),
    ("scale", "0.1", "0.09", "1", "1.01"),
    ("tolerance", "0.1", "0.09", "1.0", "1.01"),
    ("jitter", "1", "0", "1000", "1001"),
    ("blur_threshold", "0", "-0.5", "9999", "9999.5"),
    ("threads", "0", "-1", "256", "257"),
]


class Spy:
    """In the place of FaceGrab: notes how it is called."""

    calls: list[dict[str, Any]]

    def __init__(
        self,
        reference: dict[str, list[str]],
        recognition: RecognitionSettings,
        process: ProcessSettings,
        *,
        others: Sequence[str],
    ) -> None:
        who = reference.get("", reference)
        self.calls.append({"reference": who, "recognition": recognition, "process": process})
        if others:
            self.calls[-1]["others"] = others
        self.reference_count = 1
        self.people = tuple(reference)
        self.models = "detector painted"

    def process(
        self,
        source: list[str],
        output: str,
        *,
        index: str | None,
        watcher: Screen,
        early: Early,
        onlooker: object,
        committed: object,
        bucket: str | None,
    ) -> Summary:
        self.calls[-1] |= {"source": source, "output": output}
        if index is not None:
            self.calls[-1]["index"] = index
        return Summary()

    def save(self, path: str) -> Path:
        self.calls[-1]["save"] = path
        return Path(path)

    def stats(self, name: str = "") -> str:
        self.calls[-1]["stats"] = True
        return "2 references agree"


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[Spy]:
    Spy.calls = []
    monkeypatch.setattr("facegrab.grab.FaceGrab", Spy)
    return Spy


@pytest.fixture
def paths(red: Path, clip: Path, tmp_path: Path) -> list[str]:
    return ["-r", str(red), "-i", str(clip), "-o", str(tmp_path / "out")]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to stderr, which is one line."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("facegrab: ")
    return lines[0]


class TestOptions:
    def test_all_in_their_short_form(self, spy: type[Spy], red: Path, clip: Path) -> None:
        arguments = [
            "-r", str(red), "-i", str(clip), "-o", "out", "-sr", "a.npz", "-ds", "-bs", "64",
            "-sf", "5", "-xs", "512", "-s", ".5", "-t", ".4", "-j", "9", "-bt", "0",
        ]  # fmt: skip
        assert main(arguments) == OK
        assert spy.calls == [
            {
                "reference": [str(red)],
                "source": [str(clip)],
                "output": "out",
                "save": "a.npz",
                "stats": True,
                "recognition": RecognitionSettings(tolerance=0.4, jitter=9),
                "process": ProcessSettings(64, 5, 512, 0.5, 0, "jpg", "cpu"),
            }
        ]

    @pytest.mark.parametrize("joined", [False, True])
    @pytest.mark.parametrize("dash", ["_", "-"])
    def test_all_in_their_long_form(
        self, spy: type[Spy], red: Path, clip: Path, dash: str, joined: bool
    ) -> None:
        values = {
            "reference": str(red), "input": str(clip), "output": "my-out_put",
            "save_references": "a-b_c.npz", "batch_size": "64", "skip_frames": "5",
            "extract_size": "512", "scale": "auto", "tolerance": "0.4", "jitter": "9",
            "blur_threshold": "12.5", "format": "png", "device": "cuda", "index": "a-b_c.db",
        }  # fmt: skip
        arguments = [f"--display{dash}stats", f"--per{dash}frame"]
        for name, value in values.items():
            option = f"--{name.replace('_', dash)}"
            arguments += [f"{option}={value}"] if joined else [option, value]
        assert main(arguments) == OK
        assert spy.calls == [
            {
                "reference": [str(red)],
                "source": [str(clip)],
                "output": "my-out_put",
                "save": "a-b_c.npz",
                "stats": True,
                "index": "a-b_c.db",
                "recognition": RecognitionSettings(tolerance=0.4, jitter=9, per_frame=True),
                "process": ProcessSettings(64, 5, 512, "auto", 12.5, "png", "cuda"),
            }
        ]

    @pytest.mark.parametrize("joined", [False, True])
    @pytest.mark.parametrize("dash", ["_", "-"])
    def test_sizes_alignments_and_models(
        self, spy: type[Spy], paths: list[str], dash: str, joined: bool
    ) -> None:
        values = {
            "min_face": "40", "max_face": "900", "models": "my-own_pack",
            "detector": "a-b_c.onnx", "recogniser": "d-e_f", "licence": "commercial",
        }  # fmt: skip
        arguments = [f"--no{dash}upsample", "--align", "mean-face:256", "arcface", "--align=none"]
        for name, value in values.items():
            option = f"--{name.replace('_', dash)}"
            arguments += [f"{option}={value}"] if joined else [option, value]
        assert main([*paths, *arguments]) == OK
        assert spy.calls[0]["process"] == ProcessSettings(
            min_face=40,
            max_face=900,
            models="my-own_pack",
            detector="a-b_c.onnx",
            recogniser="d-e_f",
            align=("mean-face:256", "arcface", "none"),
            upsample=False,
            licence="commercial",
        )

    def test_defaults_are_those_of_the_library(self, spy: type[Spy], paths: list[str]) -> None:
        assert main(paths) == OK
        assert spy.calls[0]["recognition"] == RecognitionSettings()
        assert spy.calls[0]["process"] == ProcessSettings()
        assert "save" not in spy.calls[0]
        assert "stats" not in spy.calls[0]

    def test_several_references_and_inputs(
        self, spy: type[Spy], red: Path, green: Path, clip: Path
    ) -> None:
        arguments = ["-r", str(red), str(green), "-r", "x.npz", "-i", str(clip), "-i", str(red)]
        assert main([*arguments, "-o", "out"]) == OK
        assert spy.calls[0]["reference"] == [str(red), str(green), "x.npz"]
        assert spy.calls[0]["source"] == [str(clip), str(red)]

    @pytest.mark.parametrize(("name", "low", "below", "high", "above"), RANGES)
    def test_ranges(
        self,
        spy: type[Spy],
        paths: list[str],
        capsys: pytest.CaptureFixture[str],
        name: str,
        low: str,
        below: str,
        high: str,
        above: str,
    ) -> None:
        for good in (low, high):
            assert main([*paths, f"--{name}", good]) == OK
            assert capsys.readouterr().err == ""
        done = len(spy.calls)
        span = f" from {float(low):g} to {float(high):g}"
        for bad in (below, above, "x", "nan", "", "1,5"):
            assert main([*paths, f"--{name}={bad}"]) == FAILED
            line = one_line(capsys)
            assert line.startswith(f"facegrab: {name} is a ")
            assert span in line
            assert bad in line
        assert main([*paths, f"--{name}", below]) == FAILED  # -1 is a value, not an option
        assert below in one_line(capsys)
        assert len(spy.calls) == done

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["-s", "big"], "scale is a number from 0.1 to 1, or \"auto\", not 'big'"),
            (["-bs", "1.5"], "batch_size is a whole number from 2 to 128, not '1.5'"),
            (["--min_face", "7"], 'min_face is a whole number from 8 to 2000, or "auto", not 7'),
            (["--max-face", "x"], "max_face is a whole number from 8 to 20000, not 'x'"),
            (
                ["--min-face", "90", "--max-face", "80"],
                "max_face 80 is less than min_face 90",
            ),
            (
                ["--min_face", "90", "-s", ".5"],
                "scale and min_face say the same in two ways: give one of them",
            ),
            (["-t", ".05"], 'tolerance is a number from 0.1 to 1, or "auto", not 0.05'),
        ],
    )
    def test_a_wrong_value_names_the_range(
        self, paths: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
    ) -> None:
        assert main([*paths, *arguments]) == FAILED
        assert one_line(capsys) == f"facegrab: {line}"

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--format", "gif"], "gif"),
            (["--device", "tpu"], "tpu"),
            (["--licence", "free"], "free"),
            (["--upsample"], "--upsample"),
            (["--batch"], "--batch"),
            (["-bs"], "batch_size"),
            (["stray"], "stray"),
        ],
    )
    def test_what_is_no_option(
        self,
        spy: type[Spy],
        paths: list[str],
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        named: str,
    ) -> None:
        # Not after -o: what follows a folder's name would be taken for it.
        assert main([*paths, *arguments]) == FAILED
        assert named in one_line(capsys)
        assert spy.calls == []

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["-o", "out", "--work", "w"], "work is for an output in a bucket"),
            (["-o", "s3://media/films/out"], "s3://media/films/out lies in what is searched"),
            (["-o", "s3://media/films/"], "s3://media/films/ lies in what is searched"),
        ],
    )
    def test_an_output_that_cannot_be(
        self, arguments: list[str], words: str, clip: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        monkeypatch.setattr("facegrab.media.source.find_sources", lambda _: [Source(clip)])
        assert main(["-r", "*", "-i", str(clip), "s3://media/films", *arguments]) == FAILED
        assert words in one_line(capsys)

    @pytest.mark.parametrize("missing", ["-r", "-i", "-o"])
    def test_what_is_missing_is_named(
        self, paths: list[str], capsys: pytest.CaptureFixture[str], missing: str
    ) -> None:
        at = paths.index(missing)
        assert main(paths[:at] + paths[at + 2 :]) == FAILED
        line = one_line(capsys)
        assert missing in line
        assert "--help" in line

    def test_help_lists_every_option_and_range(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["--help"])
        assert caught.value.code == 0
        text = capsys.readouterr().out
        for long, short in OPTIONS.items():
            assert f" {long}" in text
            assert short is None or f" {short}" in text
        for value in (
            "-bs 2-128,", "-sf 0-1000,", "-xs 32-1024,", "-s 0.1-1|auto,", "-t 0.1-1|auto,",
            "-j 1-1000,", "-bt 0-9999,",
        ):  # fmt: skip
            assert value in text

    def test_the_list_of_options_here_is_complete(self) -> None:
        from facegrab.options import run_parser

        known = {name for action in run_parser()._actions for name in action.option_strings}
        assert known == {*OPTIONS, *(short for short in OPTIONS.values() if short)}

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out == f"facegrab {facegrab.__version__}\n"


@pytest.mark.usefixtures("fake_networks")
class TestRun:
    FAST = ("-sf", "0", "-xs", "64", "-s", ".5", "-j", "1")

    def test_a_whole_run(
        self, paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*paths, *self.FAST]) == OK
        assert len(pictures(tmp_path / "out")) == RED_UNTIL
        out, err = capsys.readouterr()
        assert err == ""
        assert out.splitlines()[:3] == [
            "looking for one person, 1 reference",
            "detector mtcnn, recogniser dlib; facegrab models get yunet: finds more of the dark "
            "and turned faces",
            "clip.mp4: 256x144, looking at 30 of 30 frames for faces of 72 px and more "
            "(detection at 256x144)",
        ]
        assert f"{CLIP_FRAMES} frames read, {CLIP_FRAMES} looked at" in out
        assert "50 faces found: 20 written, 30 of other people, 0 dropped as blurred" in out
        assert str(tmp_path / "out") in out.splitlines()[-1]

    def test_it_is_quiet_where_the_output_is_no_terminal(
        self, paths: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(paths) == OK
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\r" not in out
        assert len(out.splitlines()) <= 10

    def test_everybody(
        self, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["-r", "*", "-i", str(clip), "-o", str(tmp_path), *self.FAST]) == OK
        assert len(pictures(tmp_path)) == RED_UNTIL + CLIP_FRAMES
        assert "looking for every face" in capsys.readouterr().out

    def test_references_are_saved_and_work(
        self, paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        saved = tmp_path / "A.npz"
        assert main([*paths, *self.FAST, "-sr", str(saved)]) == OK
        assert f"references saved to {saved}" in capsys.readouterr().out
        assert len(Gallery.load(saved)) == 1
        again = ["-r", str(saved), *paths[2:5], str(tmp_path / "again")]
        assert main([*again, *self.FAST]) == OK
        assert pictures(tmp_path / "again") == pictures(tmp_path / "out")

    def test_stats_are_shown(
        self, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        for number in range(4):
            write_image(folder / f"{number}.png", scene(red=(10 * number, 20)))
        write_image(folder / "them.png", scene(blue=(10, 20)))
        arguments = ["-r", str(folder), "-i", str(clip), "-o", str(tmp_path / "out"), "-ds"]
        assert main(arguments) == OK
        out = capsys.readouterr().out
        assert "5 references, distance to each other" in out
        assert f"outlier: {folder / 'them.png'}" in out

    def test_warnings_of_the_references_are_shown(
        self, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        picture = scene(red=(10, 20))
        paint(picture, "green", 100, 20, 30)
        path = write_image(tmp_path / "two.png", picture)
        assert main(["-r", str(path), "-i", str(clip), "-o", str(tmp_path / "out")]) == OK
        assert f"warning: {path} shows 2 faces: using the largest" in capsys.readouterr().out

    def test_references_of_two_people_are_warned_of(
        self,
        red: Path,
        green: Path,
        clip: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        arguments = ["-r", str(red), str(green), "-i", str(clip), "-o", str(tmp_path / "out")]
        assert main(arguments) == OK
        assert f"warning: {red} and {green} may show two people" in capsys.readouterr().out

    def test_references_are_compared_by_the_tolerance_of_the_run(
        self,
        red: Path,
        clip: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        orange = write_image(tmp_path / "orange.png", scene(orange=(10, 20)))  # about .4 from red
        arguments = ["-r", str(red), str(orange), "-i", str(clip), "-o", str(tmp_path / "out")]
        assert main(arguments) == OK
        assert "may show two people" not in capsys.readouterr().out
        assert main([*arguments[:-1], str(tmp_path / "strict"), "-t", ".3"]) == OK
        assert "may show two people" in capsys.readouterr().out

    def test_a_skipped_folder_is_told_once(
        self,
        red: Path,
        clip: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        videos = tmp_path / "in"
        (videos / "shut").mkdir(parents=True)
        shutil.copy(clip, videos / "clip.mp4")
        listed = Path.iterdir

        def iterdir(folder: Path) -> Iterator[Path]:
            if folder.name == "shut":
                raise PermissionError(errno.EACCES, "Permission denied")
            return listed(folder)

        monkeypatch.setattr(Path, "iterdir", iterdir)
        assert main(["-r", str(red), "-i", str(videos), "-o", str(tmp_path / "out")]) == OK
        out, err = capfd.readouterr()
        assert err == ""
        line = f"warning: skipped the folder {videos / 'shut'}: Permission denied"
        assert out.splitlines()[0] == line  # before the networks are loaded
        assert out.count("skipped the folder") == 1

    def test_of_several_videos_each_leaves_a_line_when_it_ends(
        self, red: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        empty = write_clip(tmp_path / "empty.mp4", [scene()] * 3)
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"no video at all " * 500)
        videos = [str(clip), str(bad), str(empty)]
        assert main(["-r", str(red), "-o", str(tmp_path / "out"), *self.FAST, "-i", *videos]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert [line.partition(",")[0] for line in lines[2:6]] == [
            "clip.mp4: 256x144",
            "clip.mp4: 20 kept of 50 faces",
            "empty.mp4: 256x144",
            "empty.mp4: 0 kept of 0 faces",
        ]
        assert lines[6].startswith("not read: ")
        assert str(bad) in lines[6]

    def test_one_video_leaves_none(
        self, paths: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*paths, *self.FAST]) == OK
        assert "kept of" not in capsys.readouterr().out

    def test_pictures_are_called_so_and_the_way_to_see_them_all_is_told(
        self, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "photos"
        folder.mkdir()
        for number in range(9):
            write_image(folder / f"{number}.png", scene(red=(10 * number, 20)))
        said = {}
        for source in (folder, folder / "%d.png", folder / "?.*", folder / "3.png"):
            out = str(tmp_path / "out" / source.name)
            assert main(["-r", str(red), "-i", str(source), "-o", out]) == OK
            said[source.name] = capsys.readouterr().out.splitlines()[2]
        for name in ("photos", "%d.png", "?.*"):
            assert "looking at 2 of 9 pictures (1 in 7; -sf 0 looks at all) for faces" in said[name]
        assert "256x144, looking for faces of 64 px" in said["3.png"]

    def test_after_a_run_that_wrote_nothing_its_advice_works_in_the_same_folder(
        self, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        orange = write_image(tmp_path / "orange.png", scene(orange=(10, 20)))
        out = tmp_path / "out"
        arguments = ["-r", str(orange), "-i", str(clip), "-o", str(out), *self.FAST]
        assert main([*arguments, "-t", ".2"]) == OK
        assert "a higher --tolerance" in capsys.readouterr().out
        assert pictures(out) == []
        assert main(arguments) == OK
        assert len(pictures(out)) == RED_UNTIL
        assert len(table(out)) == RED_UNTIL + CLIP_FRAMES
        assert_consistent(out)
        capsys.readouterr()
        assert main([*arguments, "-t", ".2"]) == FAILED
        assert "holds the result of another run" in one_line(capsys)

    def test_ctrl_c_keeps_what_is_done(
        self,
        paths: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(Screen, "step", CtrlC().step)
        assert main([*paths, *self.FAST, "-bs", "4"]) == INTERRUPTED
        out, err = capsys.readouterr()
        assert err == ""
        assert "stopped; " in out
        assert len(pictures(tmp_path / "out")) == 4
        assert len(table(tmp_path / "out")) == 8

    def test_ctrl_c_before_anything_is_done(
        self,
        paths: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("facegrab.grab.FaceGrab", interrupted)
        assert main(paths) == INTERRUPTED
        assert one_line(capsys) == "facegrab: stopped"

    def test_out_of_memory_says_what_helps(
        self,
        paths: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def exhausted(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr("facegrab.grab.FaceGrab", exhausted)
        assert main(paths) == FAILED
        line = one_line(capsys)
        assert "--batch_size" in line
        assert "--scale" in line

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            (["-r", "{blue}"], "references"),
            (["-bt", "9999"], "--blur_threshold"),
        ],
    )
    def test_nothing_written_says_what_helps(
        self,
        paths: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        advice: str,
    ) -> None:
        blue = write_image(tmp_path / "blue.png", scene(blue=(10, 20)))
        options = [option.format(blue=blue) for option in options]
        without = paths[2:] if "-r" in options else paths
        assert main([*without, *options]) == OK
        assert advice in capsys.readouterr().out.splitlines()[-1]

    def test_the_logger_is_left_as_it_was(self, paths: list[str]) -> None:
        logger = logging.getLogger("facegrab")
        for level in (logging.NOTSET, logging.ERROR):
            logger.setLevel(level)
            before = list(logger.handlers)
            main(paths)
            assert (logger.level, logger.handlers) == (level, before)
        logger.setLevel(logging.NOTSET)

    def test_a_terminal_shows_a_bar(
        self, paths: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=True, width=150)
        monkeypatch.setattr("facegrab.console.Console", lambda **_: console)
        assert main([*paths, *self.FAST]) == OK
        assert "frame 30, 50 found, 20 kept" in shown.getvalue()
        assert "100%" in shown.getvalue()
        assert "frames/s" in shown.getvalue()

    def test_the_bars_of_several_videos_do_not_pile_up(
        self, paths: list[str], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=True, width=150, highlight=False)
        monkeypatch.setattr("facegrab.console.Console", lambda **_: console)
        most: list[int] = []
        begin = Screen.begin

        def counted(screen: Screen, plan: Plan) -> None:
            begin(screen, plan)
            most.append(len(screen._bars.tasks))

        monkeypatch.setattr(Screen, "begin", counted)
        others = [str(another(clip, tmp_path / f"{n}.mp4", n)) for n in range(1, 4)]
        assert main([*paths, *self.FAST, "-i", *others]) == OK
        assert most == [1] * 4
        assert shown.getvalue().count("mp4: 20 kept of 50 faces") == 4

    def test_a_terminal_that_knows_no_umlauts(
        self, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        screen = io.TextIOWrapper(io.BytesIO(), "ascii")
        monkeypatch.setattr(sys, "stdout", screen)
        picture = write_image(tmp_path / "Müller caf\udce9.png", scene(red=(10, 20)))
        assert main(["-r", str(red), "-i", str(picture), "-o", str(tmp_path / "Ö")]) == OK
        screen.seek(0)
        assert "M\\xfcller caf\\udce9.png" in screen.read()


class TestCommands:
    def test_show_tells_where_an_extract_is_from(
        self,
        paths: list[str],
        clip: Path,
        tmp_path: Path,
        fake_networks: Eyes,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert main([*paths, *TestRun.FAST, "--align", "arcface", "none"]) == OK
        name = pictures(tmp_path / "out" / "arcface-112")[3]
        capsys.readouterr()
        assert main(["show", str(tmp_path / "out" / "arcface-112" / name)]) == OK
        out, err = capsys.readouterr()
        assert err == ""
        assert f"source    {clip}" in out
        assert "time      0:00:00.120, frame 3" in out
        assert "extract   arcface, 112 px" in out

    def test_models_lists_what_there_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "list"]) == OK
        out, err = capsys.readouterr()
        assert err == ""
        for name in ("mtcnn", "dlib", "yunet"):
            assert name in out

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["show", "none.jpg"], "none.jpg"),
            (["show", __file__], "test_cli.py"),
            (["show"], "IMAGE"),
            (["show", "--wide", "x.jpg"], "--wide"),
            (["models", "use", "nonsense"], "nonsense"),
            (["models", "shine"], "shine"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
    ) -> None:
        assert main(arguments) == FAILED
        assert named in one_line(capsys)

    @pytest.mark.usefixtures("fake_networks")
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (["--align", "crooked"], "'crooked'"),
            (["--align", "arcface", "arcface:112"], "arcface-112 twice"),
            (["--align", "arcface:100"], "multiple of 112 or 128"),
            (["--align", "none.json"], "no such template: none.json"),
            (["--align", "faceswap-face", "--licence", "commercial"], "68 points"),
            (["--min_face", "9", "--detector", "mtcnn"], "--min_face 10 or more"),
            (["--models", "nonsense"], "nonsense"),
            (["--detector", "none.onnx"], "none.onnx"),
            (["--recogniser", "yunet"], "yunet"),
        ],
    )
    def test_choices_that_cannot_be_are_told_in_a_line(
        self,
        paths: list[str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        named: str,
    ) -> None:
        assert main([*paths, *options]) == FAILED
        assert named in one_line(capsys)
        assert not (tmp_path / "out").exists()


def test_a_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.say("a :smile: [bold]film[/bold].mp4")
    assert capsys.readouterr().out == "a :smile: [bold]film[/bold].mp4\n"


class TestStart:
    """In a process of its own."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONWARNINGS": "error"},
            check=False,
        )

    @pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads cannot be counted")
    @pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", 2)])
    def test_numpy_starts_no_threads_that_nobody_asked_for(
        self, asked: str | None, threads: int
    ) -> None:
        """They would take a core from the decoder, waiting."""
        program = (
            "import os\nfrom facegrab.cli import main\nmain(['nothing', '-t', 'x'])\n"
            "import numpy\nprint(len(os.listdir('/proc/self/task')))"
        )
        variable = "OPENBLAS_NUM_THREADS"
        environment = {key: each for key, each in os.environ.items() if key != variable}
        if asked:
            environment[variable] = asked
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(min(threads, os.cpu_count() or 1))

    def test_nothing_heavy_is_imported_for_help_or_a_wrong_value(self) -> None:
        code = (
            "import sys, facegrab.cli as cli\n"
            "assert cli.main(['-t', '7', '-r', 'a', '-i', 'b', '-o', 'c']) == 1\n"
            "try: cli.main(['--help'])\n"
            "except SystemExit: pass\n"
            "heavy = {'numpy', 'cv2', 'av', 'onnxruntime', 'onnx', 'rich', 'sqlite3'}\n"
            "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)\n"
        )
        done = self.run("-c", code)
        assert done.returncode == 0, done.stderr
        assert "usage: facegrab" in done.stdout

    def test_a_run_loads_nothing_that_it_does_not_use(self) -> None:
        """Each takes 2 to 30 ms."""
        code = (
            "import sys, facegrab.console, facegrab.early\n"
            "if 'cv2' in sys.modules: sys.exit('cv2, before the first film is decoded')\n"
            "import numpy as np, facegrab.grab, facegrab.vision.mtcnn\n"
            "from facegrab.people.together import Together\n"
            "Together.of(np.zeros(2, np.int64), np.arange(2), 1)\n"
            "spare = {'ssl', 'http.client', 'multiprocessing', 'onnx', 'joblib', 'numba',\n"
            "    'numpy.ma', 'jinja2', 'fastapi', 'uuid', 'socket'}\n"
            "spare |= {'facegrab.' + each for each in ('again', 'copying', 'media.spans',\n"
            "    'mirror', 'models.graphs', 'models.layers', 'sharding', 'vision.mmod')}\n"
            "sys.exit(str(spare & sys.modules.keys()) if spare & sys.modules.keys() else 0)\n"
        )
        done = self.run("-c", code)
        assert (done.returncode, done.stderr) == (0, "")

    def test_only_a_process_of_its_own_is_told_about_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[bool] = []
        monkeypatch.setattr("facegrab.cli.in_own_process", lambda: told.append(True))
        main(["-r", "a"])
        assert not told
        monkeypatch.setattr(sys, "argv", ["facegrab", "-r", "a"])
        main()
        assert told
        code = "import gc, facegrab.memory as m; m.in_own_process(); print(*gc.get_threshold())"
        assert self.run("-c", code).stdout.split() == [str(COLLECT_OBJECTS), "10", "10"]

    @pytest.mark.parametrize("start", [("-m", "facegrab"), ("facegrab.py",)])
    def test_every_way_to_start_it(self, start: tuple[str, ...], tmp_path: Path) -> None:
        done = self.run(*start, "--version")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"facegrab {facegrab.__version__}\n"
        missing = str(tmp_path / "none.mp4")
        done = self.run(*start, "-r", missing, "-i", missing, "-o", str(tmp_path / "out"))
        assert done.returncode == 1
        assert done.stderr == f"facegrab: no such file or folder: {missing}\n"
        assert done.stdout == ""
        assert not (tmp_path / "out").exists()

    def test_the_checkouts_script_does_not_hide_the_package(self) -> None:
        done = self.run("-c", "import facegrab; print(facegrab.ProcessSettings().format)")
        assert (done.returncode, done.stdout) == (0, "jpg\n")
