"""Files whole or not there, and names that every file system takes."""

from __future__ import annotations

import errno
import re
import unicodedata
from pathlib import Path

import pytest
from fakes import fail_at
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facegrab.errors import AccessError, OutputError
from facegrab.store.files import LONGEST_NAME_BYTES, as_text, atomic, make_folder, safe_name
from facegrab.store.naming import Naming

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def half(part: Path) -> None:
    """Writes something and fails."""
    part.write_text("half")
    raise ZeroDivisionError


class TestAtomic:
    def test_it_replaces_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        with atomic(path) as part:
            part.write_text("new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_error_leaves_what_was_there_and_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        with pytest.raises(ZeroDivisionError), atomic(path) as part:
            half(part)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        fail_at(monkeypatch, Path, "replace", 1, OSError(code, "full"))
        with (
            pytest.raises(OutputError, match=r"no space left to write .*a\.txt"),
            atomic(tmp_path / "a.txt") as part,
        ):
            part.write_text("new")
        assert list(tmp_path.iterdir()) == []

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fail_at(monkeypatch, Path, "write_text", 1, PermissionError(errno.EACCES, "no"))
        with (
            pytest.raises(AccessError, match=r"no permission to write .*a\.txt"),
            atomic(tmp_path / "a.txt") as part,
        ):
            part.write_text("new")

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with (
            pytest.raises(OutputError, match=r"cannot write .*a\.txt: No such file"),
            atomic(tmp_path / "none" / "a.txt") as part,
        ):
            part.write_text("new")


class TestFolder:
    def test_those_above_are_made_too(self, tmp_path: Path) -> None:
        make_folder(tmp_path / "a" / "b")
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.parametrize("name", ["file", "file/below"])
    def test_a_file_in_its_place(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="is no folder"):
            make_folder(tmp_path / name)

    def test_a_folder_that_may_not_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("facegrab.store.files.os.access", lambda *_: False)
        with pytest.raises(AccessError, match=re.escape(str(tmp_path))):
            make_folder(tmp_path)


class TestSafeName:
    @given(ANY_TEXT)
    @example("")
    @example("..")
    @example("CON")
    @example("写" * 200)
    @example("caf\udce9")
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text_becomes_a_name_that_can_be_made(self, tmp_path: Path, text: str) -> None:
        name = safe_name(text)
        assert 0 < len(name.encode("utf-8")) <= LONGEST_NAME_BYTES
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert name == name.strip(". ")
        file = tmp_path / name
        file.touch()
        assert file.parent == tmp_path
        # Some file systems hand names back in another normal form.
        found = [unicodedata.normalize("NFC", each.name) for each in tmp_path.iterdir()]
        assert found == [unicodedata.normalize("NFC", name)]
        file.unlink()

    @pytest.mark.parametrize("name", ["clip", "Der Maß & mehr", "写真 1", "a.b", "x_1-2 (3)"])
    def test_a_good_name_stays(self, name: str) -> None:
        assert safe_name(name) == name

    @pytest.mark.parametrize("name", ["con", "NUL", "Com1", "lpt9"])
    def test_names_that_windows_keeps_for_itself(self, name: str) -> None:
        assert safe_name(name) == f"_{name}"


@given(ANY_TEXT)
def test_any_path_becomes_text(text: str) -> None:
    path = Path(text.replace("\0", ""))
    assert as_text(path).encode("utf-8")
    if str(path).isascii():
        assert as_text(path) == str(path)


class TestNaming:
    def test_the_format(self) -> None:
        naming = Naming("clip", "jpg", 7300.0, None)
        assert naming.of_video(3725.0625, 111, 2) == "clip_1h02m05.062s_f111_2.jpg"
        assert naming.of_video(0.0, 0, 0) == "clip_0h00m00.000s_f0_0.jpg"

    @pytest.mark.parametrize(
        ("seconds", "time"),
        [
            (59.9994, "0h00m59.999s"),
            (59.9996, "0h01m00.000s"),
            (3599.9996, "1h00m00.000s"),
            (0.0004, "0h00m00.000s"),
        ],
    )
    def test_rounding_carries(self, seconds: float, time: str) -> None:
        assert Naming("v", "png", None, None).of_video(seconds, 7, 0) == f"v_{time}_f7_0.png"

    def test_from_ten_hours_on_all_hours_have_two_digits(self) -> None:
        naming = Naming("v", "jpg", 36_000.0, None)
        assert naming.of_video(5.0, 1, 0) == "v_00h00m05.000s_f1_0.jpg"
        assert naming.of_video(35_999.0, 2, 0) == "v_09h59m59.000s_f2_0.jpg"
        assert naming.of_video(36_000.0, 3, 0) == "v_10h00m00.000s_f3_0.jpg"

    @given(
        st.floats(0.04, 100 * 3600),
        st.lists(st.floats(0, 1), min_size=2, max_size=20, unique=True),
    )
    def test_sorted_by_name_is_sorted_by_time(self, duration: float, parts: list[float]) -> None:
        naming = Naming("v", "jpg", duration, None)
        times = sorted(round(part * duration, 3) for part in parts)
        names = {time: naming.of_video(time, frame, 0) for frame, time in enumerate(times)}
        assert sorted(names.values()) == [names[time] for time in sorted(names)]

    def test_pictures_sort_as_they_were_read(self) -> None:
        naming = Naming("holiday", "jpg", None, 11)
        names = [naming.of_picture(f"{10 - n}.png", n, 0) for n in range(11)]
        assert names == sorted(names)
        assert names[3] == "holiday_f03_7_0.jpg"

    @given(ANY_TEXT, ANY_TEXT)
    def test_names_are_never_too_long(self, source: str, picture: str) -> None:
        naming = Naming(safe_name(source), "jpg", None, 10**7)
        # The name of the file while it is being written is 20 bytes longer.
        assert len(naming.of_picture(picture, 10**7 - 1, 99).encode("utf-8")) <= 235
