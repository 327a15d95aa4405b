"""Reference files: ours, the ancestor's, and everything that is none."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from fakes import HUE, fail_at
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import AccessError, GalleryError, MissingError
from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.people.decide import decide
from facegrab.people.gallery import LARGEST_FILE_BYTES, Gallery, distances
from facegrab.types import FloatArray

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def vectors(count: int, seed: int = 1) -> FloatArray:
    random = np.random.default_rng(seed)
    return random.normal(0, 0.1, (count, EMBEDDING_LENGTH)).astype(np.float32)


def gallery(count: int) -> Gallery:
    return Gallery(vectors(count), tuple(f"Bild {row} – 写.jpg" for row in range(count)))


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


File = TypeVar("File", Path, io.BytesIO)


def pack(file: File, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> File:
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """What an array begins with, without any values."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"shape": shape, "fortran_order": False, "descr": descr}
    )
    return file.getvalue()


@cache
def packed(method: int, ours: bool) -> bytes:
    """A reference file of today, or of 2018."""
    file = io.BytesIO()
    names = npy(np.array(["a", "bc"]))
    members = {"embeddings": npy(vectors(2)), "names": names}
    if not ours:
        members = {"arr_0": npy(vectors(1)[0]), "arr_1": npy(vectors(1)[0].astype(float))}
    pack(file, method, **members)
    return file.getvalue()


class TestRoundTrip:
    @pytest.mark.parametrize("count", [1, 5])
    def test_ours(self, tmp_path: Path, count: int) -> None:
        saved = gallery(count)
        saved.save(tmp_path / "a.npz")
        loaded = Gallery.load(tmp_path / "a.npz")
        np.testing.assert_array_equal(loaded.embedding, saved.embedding)
        assert loaded.embedding.dtype == np.float32
        assert loaded.names == saved.names
        assert loaded.digest == saved.digest

    def test_no_reference_is_nothing_to_save(self, tmp_path: Path) -> None:
        with pytest.raises(GalleryError, match="no references"):
            Gallery.empty(HUE).save(tmp_path / "a.npz")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_the_ancestors(self, tmp_path: Path, save: Any, dtype: Any) -> None:
        old = list(vectors(12).astype(dtype))
        save(tmp_path / "nick.npz", *old)
        loaded = Gallery.load(tmp_path / "nick.npz")
        np.testing.assert_array_equal(loaded.embedding, np.array(old, np.float32))
        assert loaded.names[:2] == ("nick.npz#0", "nick.npz#1")

    def test_a_plain_table_of_vectors(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", embeddings=vectors(3))
        assert Gallery.load(tmp_path / "a.npz").names == ("a.npz#0", "a.npz#1", "a.npz#2")

    def test_the_digest_is_of_the_content_in_any_order(self) -> None:
        one = gallery(4)
        other = Gallery(one.embedding[::-1], ("x",) * 4)
        assert one.digest == other.digest
        assert one.digest != Gallery(vectors(4, seed=2), one.names).digest

    def test_galleries_add_up(self) -> None:
        both = gallery(2) + gallery(3)
        assert len(both) == 5
        assert both.names[2] == "Bild 0 – 写.jpg"


OTHER = replace(HUE, name="other", graph=Path("x.onnx"), sha256="ab" * 32, metric="cosine")


class TestRecogniser:
    def test_it_is_kept_with_metric_hashes_and_length(self, tmp_path: Path) -> None:
        embedding = np.random.default_rng(1).normal(0, 1, (2, 512)).astype(np.float32)
        saved = Gallery(embedding, ("/p/a.jpg", "/p/b.jpg"), ("00", "ff"), OTHER.key, "cosine")
        saved.save(tmp_path / "a.npz")
        loaded = Gallery.load(tmp_path / "a.npz")
        np.testing.assert_array_equal(loaded.embedding, embedding)
        assert loaded.names == saved.names
        assert loaded.hashes == saved.hashes
        assert (loaded.recogniser, loaded.metric) == ("other-abababab", "cosine")

    def test_files_that_name_none_are_dlibs(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "2018.npz", *vectors(2))
        pack(tmp_path / "first.npz", embeddings=npy(vectors(2)), names=npy(np.array(["a", "b"])))
        for name in ("2018.npz", "first.npz"):
            loaded = Gallery.load(tmp_path / name)
            assert (loaded.recogniser, loaded.metric) == ("dlib", "euclidean")
            assert loaded.hashes == ("", "")

    def test_two_recognisers_do_not_add_up(self) -> None:
        with pytest.raises(ValueError, match="dlib and other-abababab"):
            gallery(1) + Gallery.empty(OTHER)

    @pytest.mark.parametrize(
        "bad",
        [
            {"metric": np.array(["manhattan"])},
            {"metric": np.array(["cosine", "cosine"])},
            {"metric": np.zeros(1)},
            {"recogniser": np.array(["two\nlines"])},
            {"recogniser": np.array(["x" * 301])},
            {"recogniser": np.array([], np.str_)},
            {"hashes": np.array(["00"])},
            {"embeddings": np.zeros((2, 4097), np.float32)},
            {"embeddings": np.zeros((2, 15), np.float32)},
            {"embeddings": np.zeros((2, 512), np.float32), "recogniser": np.array(["dlib"])},
        ],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path: Path, bad: dict[str, Any]) -> None:
        good = {
            "embeddings": vectors(2), "names": np.array(["a", "b"]),
            "hashes": np.array(["00", "11"]), "recogniser": np.array(["other"]),
            "metric": np.array(["cosine"]),
        }  # fmt: skip
        path = pack(
            tmp_path / "a.npz", METHODS[0], **{key: npy(value) for key, value in good.items()}
        )
        assert Gallery.load(path).recogniser == "other"
        pack(path, METHODS[0], **{key: npy(value) for key, value in (good | bad).items()})
        with pytest.raises(GalleryError, match="no reference file") as caught:
            Gallery.load(path)
        assert "\n" not in str(caught.value)


class TestCosine:
    def test_it_is_0_to_2_and_says_nothing_of_length(self) -> None:
        random = np.random.default_rng(3)
        a = random.normal(0, 1, (40, 64)).astype(np.float32)
        each = distances(a, np.concatenate([a, -a]), "cosine")
        assert each.min() >= 0
        assert each.max() <= 2
        assert np.diag(each[:, :40]) == pytest.approx(np.zeros(40), abs=1e-6)
        assert np.diag(each[:, 40:]) == pytest.approx(np.full(40, 2), abs=1e-6)
        np.testing.assert_allclose(distances(a * 7, a * 0.01, "cosine"), each[:, :40], atol=1e-5)

    def test_right_angles_and_nothing_at_all_are_1(self) -> None:
        axes = np.eye(16, dtype=np.float32)
        others = np.vstack([axes[1], np.zeros(16, np.float32)])
        assert distances(axes[:1], others, "cosine").tolist() == [[1, 1]]

    def test_decisions_go_by_it(self) -> None:
        references = Gallery(np.eye(16, dtype=np.float32)[:1], ("a",), (), OTHER.key, "cosine")
        faces = np.zeros((3, 16), np.float32)
        faces[:, 0], faces[:, 1] = [9, 3, 0], [0, 4, 1]  # cosines of 1, .6 and 0
        decisions = decide(faces, references, 0.4 + 1e-6)
        assert decisions.distance == pytest.approx([0, 0.4, 1], abs=1e-6)
        assert decisions.matched.tolist() == [True, True, False]


class TestRefused:
    def refused(self, path: Path, match: str = "no reference file") -> None:
        with pytest.raises(GalleryError, match=match) as caught:
            Gallery.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "array",
        [
            vectors(1)[0][:127],
            np.zeros((3, 64), np.float32),
            np.zeros((2, 2, EMBEDDING_LENGTH), np.float32),
            np.float32(1.0),
            np.zeros(EMBEDDING_LENGTH, np.int64),
            np.zeros(EMBEDDING_LENGTH, np.complex128),
            np.zeros(EMBEDDING_LENGTH, "U3"),
            np.full(EMBEDDING_LENGTH, np.nan),
            np.full(EMBEDDING_LENGTH, np.inf),
            np.full(EMBEDDING_LENGTH, 1e300),
            np.full(EMBEDDING_LENGTH, 1e30),
            np.zeros((0, EMBEDDING_LENGTH), np.float32),
        ],
        ids=lambda array: f"{array.dtype}-{array.shape}",
    )
    def test_other_arrays(self, tmp_path: Path, array: Any) -> None:
        np.savez(tmp_path / "a.npz", array)
        self.refused(tmp_path / "a.npz")
        np.savez(tmp_path / "b.npz", embeddings=array)
        self.refused(tmp_path / "b.npz")

    def test_an_empty_table_does_not_stand_for_everybody(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", embeddings=vectors(0), names=np.array([], np.str_))
        self.refused(tmp_path / "a.npz")

    def test_pickles_are_never_opened(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return pytest.fail, ("unpickled",)

        trap = np.array([Trap()] * EMBEDDING_LENGTH, object)
        for members in ({"arr_0": trap}, {"embeddings": vectors(128), "names": trap}):
            packed = {name: npy(array, allow_pickle=True) for name, array in members.items()}
            self.refused(pack(tmp_path / "a.npz", zipfile.ZIP_STORED, **packed), "pickled")

    @pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], [["a", "b"]], [1, 2]])
    def test_names_that_do_not_fit(self, tmp_path: Path, names: Any) -> None:
        np.savez(tmp_path / "a.npz", embeddings=vectors(2), names=np.array(names))
        self.refused(tmp_path / "a.npz")

    def test_fortran_order(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", embeddings=np.asfortranarray(vectors(3)))
        self.refused(tmp_path / "a.npz")

    @pytest.mark.parametrize("data", [b"", b"PK", b"no zip" * 99, npy(vectors(2))])
    def test_no_zip(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "a.npz"
        path.write_bytes(data)
        self.refused(path)

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.npz").mkdir()
        self.refused(tmp_path / "a.npz")

    def test_a_zip_of_other_things(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("readme.txt", "hello")
        self.refused(tmp_path / "a.npz", "other things than arrays")
        with zipfile.ZipFile(tmp_path / "b.npz", "w"):
            pass
        self.refused(tmp_path / "b.npz")
        self.refused(pack(tmp_path / "c.npz", arr_0=b"no array"))

    def test_no_such_file_and_no_permission(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(MissingError, match=r"a\.npz"):
            Gallery.load(tmp_path / "a.npz")
        fail_at(monkeypatch, zipfile, "ZipFile", 1, PermissionError(13, "no"))
        with pytest.raises(AccessError, match=r"a\.npz"):
            Gallery.load(tmp_path / "a.npz")


class TestHostile:
    def load(self, path: Path) -> int:
        """Bytes that were allocated at the most while the file was refused."""
        tracemalloc.start()
        try:
            with pytest.raises(GalleryError):
                Gallery.load(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_an_array_that_claims_terabytes(self, tmp_path: Path) -> None:
        huge = header((2**33, EMBEDDING_LENGTH)) + bytes(512)
        assert self.load(pack(tmp_path / "a.npz", embeddings=huge)) < 2**20

    def test_a_bomb_that_admits_its_size(self, tmp_path: Path) -> None:
        bomb = header((LARGEST_FILE_BYTES // 512 + 1, EMBEDDING_LENGTH)) + bytes(LARGEST_FILE_BYTES)
        assert self.load(pack(tmp_path / "a.npz", embeddings=bomb)) < 2**20

    def test_a_bomb_that_claims_to_be_small(self, tmp_path: Path) -> None:
        bomb = header((LARGEST_FILE_BYTES // 512, EMBEDDING_LENGTH)) + bytes(LARGEST_FILE_BYTES)
        data = bytearray(pack(tmp_path / "a.npz", embeddings=bomb).read_bytes())
        true, false = struct.pack("<I", len(bomb)), struct.pack("<I", 1000)
        assert data.count(true) >= 2
        (tmp_path / "a.npz").write_bytes(data.replace(true, false))
        assert self.load(tmp_path / "a.npz") < 2**20

    def test_a_header_that_is_a_program(self, tmp_path: Path) -> None:
        text = b"{'shape': " + b"(" * 5000 + b"}"
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
        assert self.load(pack(tmp_path / "a.npz", arr_0=data)) < 2**22

    def test_a_header_written_by_python_2(self, tmp_path: Path) -> None:
        data = npy(vectors(1)[0]).replace(b"(128,), ", b"(128L,),")
        assert Gallery.load(pack(tmp_path / "a.npz", arr_0=data)).names == ("a.npz#0",)

    @given(data=st.data())
    @settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_mutated_bytes_are_read_or_refused(self, tmp_path: Path, data: st.DataObject) -> None:
        path = tmp_path / "a.npz"
        mutated = bytearray(packed(data.draw(st.sampled_from(METHODS)), data.draw(st.booleans())))
        # The ends are where the headers are: half of the changes go there.
        ends = st.integers(0, 150) | st.integers(len(mutated) - 250, len(mutated) - 1)
        anywhere = st.integers(0, len(mutated) - 1)
        for place, value in data.draw(
            st.lists(st.tuples(ends | anywhere, st.integers(0, 255)), min_size=1, max_size=6)
        ):
            mutated[place] = value
        cut = data.draw(st.none() | anywhere)
        path.write_bytes(mutated[:cut])
        with suppress(GalleryError):
            loaded = Gallery.load(path)
            assert len(loaded) > 0
            assert loaded.digest
            assert str(loaded.stats())


class TestStats:
    def person(self, count: int, *strangers: str) -> Gallery:
        """Pictures of one person about .4 apart, and of strangers .8 from all."""
        random = np.random.default_rng(5)
        pictures = random.normal(0, 0.4 / 256**0.5, (count, EMBEDDING_LENGTH))
        others = random.normal(0, 0.69 / 128**0.5, (len(strangers), EMBEDDING_LENGTH))
        names = tuple(f"me/{row}.jpg" for row in range(count)) + strangers
        return Gallery(np.concatenate([pictures, others]).astype(np.float32), names)

    def test_mean_and_spread_are_over_all_pairs(self) -> None:
        line = np.zeros((3, EMBEDDING_LENGTH), np.float32)
        line[:, 7] = [0.0, 0.3, 1.0]
        stats = Gallery(line, ("a", "b", "c")).stats()
        assert stats.count == 3
        assert stats.mean_distance == pytest.approx((0.3 + 0.7 + 1.0) / 3, abs=1e-6)
        assert stats.spread == pytest.approx(np.std([0.3, 0.7, 1.0]), abs=1e-6)

    @pytest.mark.parametrize("count", [4, 5, 9, 40])
    def test_a_stranger_among_the_references_is_named(self, count: int) -> None:
        stats = self.person(count - 1, "them.jpg").stats()
        ((name, distance),) = stats.outliers
        assert name == "them.jpg"
        assert distance == pytest.approx(0.75, abs=0.08)
        assert "them.jpg" in str(stats)

    def test_two_strangers_do_not_hide_each_other(self) -> None:
        stats = self.person(6, "one.jpg", "two.jpg").stats()
        assert {name for name, _ in stats.outliers} == {"one.jpg", "two.jpg"}
        assert stats.outliers[0][1] >= stats.outliers[1][1]

    @pytest.mark.parametrize("count", [2, 3, 5, 40])
    def test_references_that_agree_have_no_outlier(self, count: int) -> None:
        stats = self.person(count).stats()
        assert stats.outliers == ()
        assert "outlier" not in str(stats)
        assert f"{count} references" in str(stats)

    @pytest.mark.parametrize("count", [0, 1])
    def test_one_reference_cannot_be_compared(self, count: int) -> None:
        stats = self.person(count).stats()
        assert np.isnan(stats.mean_distance)
        assert "nan" not in str(stats)

    def test_the_same_picture_thrice(self) -> None:
        same = Gallery(np.repeat(vectors(1), 3, axis=0), ("a", "b", "c"))
        assert same.stats().mean_distance == pytest.approx(0, abs=1e-3)
