"""facegrab show."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from test_store_origin import encoded, some_origin, written

from facegrab.options import FAILED, OK
from facegrab.show_command import main
from facegrab.store.origin import Origin, embed_origin


def extract(folder: Path, origin: Origin, suffix: str = ".jpg") -> str:
    folder.mkdir(exist_ok=True)
    return str(written(folder, embed_origin(encoded(suffix), origin), suffix))


def test_one_block_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = extract(tmp_path / "a", some_origin(source="/films/a.mp4", native_scale=1.8))
    picture = some_origin(picture="/p/7.png", native_scale=0.5, pts_seconds=0, distance=np.nan)
    second = extract(tmp_path / "b", picture, ".png")
    assert main([first, second]) == OK
    out, err = capsys.readouterr()
    assert err == ""
    blocks = out.split("\n\n")
    assert blocks[0].splitlines() == [
        first,
        "  source    /films/a.mp4",
        "  time      0:01:23.457, frame 2086",
        "  box       412 80.25 to 611 279, 200x200 px",
        "  extract   mean-face, 256 px, enlarged 1.8 times",
        "  distance  0.4123",
        "  sharpness 123.5",
        "  models    detector mtcnn-0123abcd, recogniser dlib",
    ]
    assert "  picture   /p/7.png\n" in blocks[1]
    assert "mean-face, 256 px, shrunk to 0.5\n" in blocks[1]
    assert "  distance  no references\n" in blocks[1]
    assert "  time      0:00:00.000, frame" in blocks[1]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3723.4996, "1:02:03.500"), (59.9996, "0:01:00.000"), (-0.04, "-0:00:00.040")],
)
def test_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: float, shown: str
) -> None:
    assert main([extract(tmp_path, some_origin(pts_seconds=seconds))]) == OK
    assert f"  time      {shown}, frame" in capsys.readouterr().out


def test_its_own_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([extract(tmp_path, some_origin(native_scale=1.004))])
    assert "256 px, as large as in the source\n" in capsys.readouterr().out


def test_json_is_a_line_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [extract(tmp_path / name, some_origin(frame=n)) for n, name in enumerate("ab")]
    assert main(["--json", *paths]) == OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == paths
    assert [line["frame"] for line in lines] == [0, 1]
    assert lines[0] == {"file": paths[0], **some_origin(frame=0).to_json()}


def test_a_bad_image_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = extract(tmp_path, some_origin())
    plain = written(tmp_path, encoded(".png"), ".png")
    assert main([str(tmp_path / "gone.jpg"), str(plain), good]) == FAILED
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"facegrab: no such file: {tmp_path / 'gone.jpg'}",
        f"facegrab: {plain} carries no origin: it is no extract that FaceGrab made",
    ]
    assert good in out


@pytest.mark.parametrize("arguments", [[], ["--wrong", "a.jpg"], ["--js", "a.jpg"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("facegrab: ")
    assert err.count("\n") == 1
    assert "show --help" in err


def test_a_file_cannot_talk_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = extract(tmp_path, some_origin(source="a\x1b[2J\nb\u202ec\udce9ü"))
    assert main([path]) == OK
    assert r"  source    a\x1b[2J\nb\u202ec\udce9ü" + "\n" in capsys.readouterr().out


def test_a_terminal_that_knows_few_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    shown = io.TextIOWrapper(content, "ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main([extract(tmp_path, some_origin(source="羅生門.mkv"))]) == OK
    shown.flush()
    assert b"\\u7f85\\u751f\\u9580.mkv" in content.getvalue()
