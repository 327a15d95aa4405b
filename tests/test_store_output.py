"""The output folder: images and index agree, also after a program that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fakes import assert_consistent, pictures, query
from stores import SETTINGS

from facegrab.errors import OutputError, StoreError
from facegrab.store.output import Output

KILLED = """
import os, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from fakes import random_faces
from stores import ASKED, SETTINGS, rows_of
from facegrab.store.origin import Origin
from facegrab.store.output import Output

faces = random_faces(2)
rows = rows_of(1, faces)
with Output(Path(sys.argv[1]), SETTINGS) as output:
    seen = output.begin("abc", ASKED, Path("/a.mp4"), width=8)
    output.enter("abc", Path("/a.mp4"), "a", ASKED, seen.row)
    for name in (*(each.file for each in rows.extracts), "waiting_0.jpg"):
        output._open()[1].write(name, np.zeros((8, 8, 3), np.uint8))
    output.commit(rows, more=lambda: os._exit(9))
"""


def test_images_of_a_run_that_was_killed_before_their_commit_are_gone_after_the_next(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.jpg").write_bytes(b"mine")
    command = [sys.executable, "-c", KILLED, str(out), str(Path(__file__).parent)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == 9, killed.stderr
    assert pictures(out) == ["1-0.jpg", "1-1.jpg", "mine.jpg"]
    assert query(out, "SELECT file FROM extract") == []
    with Output(out, SETTINGS) as output:
        assert output.index.scans()
    assert (out / "mine.jpg").read_bytes() == b"mine"
    (out / "mine.jpg").unlink()
    assert [path.name for path in out.iterdir()] == ["facegrab.db"]
    assert_consistent(out)


def test_nothing_is_made_before_there_is_something_to_put_in(tmp_path: Path) -> None:
    with Output(tmp_path / "out", SETTINGS, tmp_path / "deep" / "seen.db") as output:
        assert not output.exists
        assert output.extracts() == frozenset()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="out is no folder"):
        Output(tmp_path / "out", SETTINGS)


def test_a_folder_of_another_index_is_refused(tmp_path: Path) -> None:
    """Its answers name looks by their rows, which are another file's."""
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    out = tmp_path / "out"
    with Output(out, SETTINGS, one) as output:
        assert output.index.scans() == []
        output._open()[0].execute(
            "INSERT INTO main.source (id, path, name) VALUES (1, '/a.mp4', 'a')"
        )
        output._open()[0].execute(
            "INSERT INTO main.outcome (source, frame, number, by_track) VALUES (1, 0, 0, 0)"
        )
        output._open()[0].execute(
            "INSERT INTO main.extract VALUES (1, 0, 0, 'mean-face-64', 'a_0.jpg', 64, 1)"
        )
    for library in (other, None):
        with (
            pytest.raises(StoreError, match=r"index .*one\.db"),
            Output(out, SETTINGS, library) as output,
        ):
            output.index.scans()
    with Output(out, SETTINGS, out / ".." / "one.db") as output:  # the same by another spelling
        assert output.extracts() == {"a_0.jpg"}
