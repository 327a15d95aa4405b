"""What inputs name: files, folders, patterns, globs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facegrab.errors import AccessError, MissingError
from facegrab.media import Source, find_sources

ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names_of(source: Source) -> list[str]:
    return [image.name for image in source.images]


@pytest.mark.usefixtures("here")
class TestFiles:
    def test_a_video_an_image_and_an_unknown_extension(self) -> None:
        make("a.MP4", "b.JPG", "c.xyz")
        assert find_sources(["a.MP4", "b.JPG", "c.xyz"]) == [
            Source(Path("a.MP4")),
            Source(Path("b.JPG"), (Path("b.JPG"),)),
            Source(Path("c.xyz")),
        ]

    def test_one_name_in_place_of_a_list(self) -> None:
        make("a.mp4")
        assert find_sources("a.mp4") == find_sources(Path("a.mp4")) == [Source(Path("a.mp4"))]

    @pytest.mark.parametrize(
        "name", ["50% [raw] %04d.mp4", "a [1].mp4", "ünï cødé 影.mp4", "what?.mp4", "*.mp4"]
    )
    def test_what_exists_is_no_pattern(self, name: str) -> None:
        make(name, "other.mp4", "a 1.mp4")
        assert find_sources([name]) == [Source(Path(name))]

    def test_order_as_given_and_each_once(self, here: Path) -> None:
        make("b.mp4", "a.mp4", "d/c.mp4")
        Path("link.mp4").symlink_to("b.mp4")
        found = find_sources(["b.mp4", "a.mp4", here / "b.mp4", "d/../a.mp4", "link.mp4", "*.mp4"])
        assert [str(source.path) for source in found] == ["b.mp4", "a.mp4"]

    @pytest.mark.parametrize("name", ["no.mp4", "no/such.mp4", "", "a\0b", "x" * 5000])
    def test_missing(self, name: str) -> None:
        with pytest.raises(MissingError, match="no such file or folder"):
            find_sources([name])

    def test_no_permission(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make("a.mp4", "d/b.mp4")
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(AccessError, match=r"no permission to read a\.mp4"):
            find_sources(["a.mp4"])
        with pytest.raises(AccessError, match="no permission to read the folder d"):
            find_sources(["d"])

    @pytest.mark.skipif(ROOT, reason="root may read everything")
    def test_closed_folder(self) -> None:
        make("shut/a.mp4")
        Path("shut").chmod(0)
        with pytest.raises(AccessError):
            find_sources(["shut/a.mp4"])


@pytest.mark.usefixtures("here")
class TestFolders:
    def test_images_are_one_sequence_in_natural_order(self) -> None:
        make("f/img10.jpg", "f/img9.jpg", "f/IMG1.png", "f/notes.txt", "f/.hidden.jpg")
        (source,) = find_sources(["f"])
        assert source.path == Path("f")
        assert source.name == "f"
        assert names_of(source) == ["IMG1.png", "img9.jpg", "img10.jpg"]

    def test_videos_and_sub_folders(self) -> None:
        make("f/v10.mp4", "f/v2.mkv", "f/x.png", "f/shots/2/b.jpg", "f/shots/10/a.jpg")
        make("f/.trash/old.mp4", "f/clip.gif")
        found = find_sources(["f"])
        assert [str(source.path) for source in found] == [
            "f",
            "f/clip.gif",
            "f/shots/2",
            "f/shots/10",
            "f/v2.mkv",
            "f/v10.mp4",
        ]
        assert [len(source.images) for source in found] == [1, 0, 1, 1, 0, 0]

    def test_a_loop_of_links_ends(self) -> None:
        make("f/sub/a.mp4")
        # Two of them: followed blindly they fork at every level.
        Path("f/sub/up").symlink_to(Path("f").resolve())
        Path("f/sub/up2").symlink_to(Path("f").resolve())
        assert find_sources(["f"]) == [Source(Path("f/sub/a.mp4"))]

    def test_nothing_in_it(self) -> None:
        make("f/readme.txt")
        with pytest.raises(MissingError, match="no video and no image in the folder f"):
            find_sources(["f"])

    def test_a_closed_sub_folder_is_skipped_with_a_word(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        make("f/a.mp4", "f/shut/b.mp4")
        listing = Path.iterdir

        def closed(folder: Path) -> object:
            if folder.name == "shut":
                raise PermissionError(13, "Permission denied")
            return listing(folder)

        monkeypatch.setattr(Path, "iterdir", closed)
        assert find_sources(["f"]) == [Source(Path("f/a.mp4"))]
        assert "skipped the folder f/shut" in caplog.text

    def test_names_are_never_empty(self) -> None:
        make("f/a.jpg")
        os.chdir("f")
        assert [source.name for source in find_sources(["."])] == ["f"]
        os.chdir("..")
        assert Source(Path("f/.."), (Path("f/../a.jpg"),)).name == Path.cwd().name


@pytest.mark.usefixtures("here")
class TestPatterns:
    def test_numbers_by_value_with_gaps_and_any_start(self) -> None:
        make("s/img_0009.jpg", "s/img_0010.jpg", "s/img_12345.jpg", "s/img_7.jpg")
        make("s/img_0011.png", "s/img_0012.jpg.bak", "s/my_img_0013.jpg")
        (source,) = find_sources(["s/img_%04d.jpg"])
        assert names_of(source) == ["img_0009.jpg", "img_0010.jpg", "img_12345.jpg"]
        assert source.name == "s"
        assert source.path == Path("s/img_%04d.jpg")

    def test_plain_number_percent_and_special_letters(self) -> None:
        make("s [1]/50%_a+10.png", "s [1]/50%_a+9.png", "s [1]/50%_aa1.png")
        (source,) = find_sources(["s [1]/50%%_a+%d.png"])
        assert names_of(source) == ["50%_a+9.png", "50%_a+10.png"]

    def test_two_numbers(self) -> None:
        make("c2_f1.jpg", "c1_f10.jpg", "c1_f9.jpg")
        (source,) = find_sources(["c%d_f%d.jpg"])
        assert names_of(source) == ["c1_f9.jpg", "c1_f10.jpg", "c2_f1.jpg"]

    def test_videos_are_a_source_each(self) -> None:
        make("v2.mp4", "v10.mp4")
        assert [s.path.name for s in find_sources(["v%d.mp4"])] == ["v2.mp4", "v10.mp4"]

    def test_a_folder_that_is_a_glob(self) -> None:
        make("s1/1.jpg", "s2/1.jpg", "s2/2.jpg", "s3/x.jpg")
        found = find_sources(["s*/%d.jpg"])
        assert [(s.name, len(s.images)) for s in found] == [("s1", 1), ("s2", 2)]

    def test_no_match(self) -> None:
        make("s/a.jpg")
        with pytest.raises(MissingError, match=r"no file matches the pattern s/%03d\.jpg"):
            find_sources(["s/%03d.jpg"])
        with pytest.raises(MissingError, match="no such file or folder: nowhere"):
            find_sources(["nowhere/%03d.jpg"])


@pytest.mark.usefixtures("here")
class TestGlobs:
    def test_videos(self) -> None:
        make("clips/b2.mp4", "clips/b10.mp4", "clips/.no.mp4", "clips/a.txt")
        found = find_sources(["clips/*"])
        assert [source.path.name for source in found] == ["b2.mp4", "b10.mp4"]

    def test_recursive_finds_each_once(self) -> None:
        make("c/a.mp4", "c/d/b.mp4", "c/d/1.jpg", "c/d/2.jpg")
        found = find_sources(["c/**"])
        assert [(source.name, len(source.images)) for source in found] == [
            ("a", 0),
            ("d", 2),
            ("b", 0),
        ]

    def test_images_are_a_sequence_per_folder(self) -> None:
        make("c/1/b.jpg", "c/1/a.jpg", "c/2/a.jpg", "c/2/a.png")
        found = find_sources(["c/*/*.jpg"])
        assert [(s.name, names_of(s)) for s in found] == [
            ("1", ["a.jpg", "b.jpg"]),
            ("2", ["a.jpg"]),
        ]

    def test_a_folder_whose_name_holds_brackets(self) -> None:
        make("my [1]/a.mp4")
        assert find_sources(["my [1]/*.mp4"]) == [Source(Path("my [1]/a.mp4"))]

    def test_no_match(self) -> None:
        make("a.txt")
        with pytest.raises(MissingError, match=r"no video and no image matches \*"):
            find_sources(["*"])
