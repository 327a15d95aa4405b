"""From an installed package of weights to files that load: found, converted once, kept."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import test_models_encoder as encode

from facegrab import cache
from facegrab.errors import WeightsError
from facegrab.models import dat, forest_file, ranges, weights
from facegrab.models.layers import DETECTOR_PLAN, RECOGNISER_PLAN
from facegrab.models.runtime import load_net

FOREST = encode.random_forest(np.random.default_rng(0), points=5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: random weights, and a module that must not be imported."""
    site = tmp_path_factory.mktemp("site")
    folder = site / "face_recognition_models" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise ImportError('pkg_resources')")
    rng = np.random.default_rng(0)
    (folder / weights.DETECTOR_FILE).write_bytes(encode.detector(rng, DETECTOR_PLAN))
    (folder / weights.RECOGNISER_FILE).write_bytes(encode.recogniser(rng, RECOGNISER_PLAN))
    for file in weights.SHAPE_FILES.values():
        (folder / file).write_bytes(encode.shape_predictor(FOREST))
    return site


@pytest.fixture(autouse=True)
def models(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights that is found; the cache is empty."""
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(site)
    return site / "face_recognition_models" / "models"


def assert_same(one: dat.ShapePredictor, other: dat.ShapePredictor) -> None:
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_the_package_is_found_but_not_imported(models: Path) -> None:
    assert weights.weights_folder() == models
    assert weights.PACKAGE not in sys.modules


def test_graphs_are_made_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    detector, recogniser = weights.detector_graph(), weights.recogniser_graph()
    assert caplog.messages == ["preparing the detector, once", "preparing the recogniser, once"]
    assert (weights.detector_graph(), weights.recogniser_graph()) == (detector, recogniser)
    assert len(caplog.messages) == 2
    x = np.ones((1, 3, 150, 150), np.float32)
    assert load_net(detector)(x).shape == (1, 1, 16, 16)
    assert load_net(recogniser)(x).shape == (1, 128)


def test_the_form_in_int8_is_kept_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    made = weights.detector_graph(int8=True), weights.recogniser_graph(int8=True)
    assert [path.name.split("-v2-")[0] for path in made] == [
        f"{kind}-int8v{weights.QUANTISATION}" for kind in ("detector", "recogniser")
    ]
    assert caplog.messages == [
        "preparing the detector in int8, once",
        "preparing the recogniser in int8, once",
    ]
    plain = weights.detector_graph(), weights.recogniser_graph()
    assert (weights.detector_graph(int8=True), weights.recogniser_graph(int8=True)) == made
    assert len(caplog.messages) == 4
    for path, other in zip(made, plain, strict=True):
        assert b"DequantizeLinear" in path.read_bytes()
        assert b"DequantizeLinear" not in other.read_bytes()


def test_another_quantisation_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights.detector_graph(int8=True)
    monkeypatch.setattr(weights, "QUANTISATION", weights.QUANTISATION + 1)
    assert weights.detector_graph(int8=True) != first
    assert first.exists()


def test_ranges_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "DETECTOR", (None, 1.0))
    with pytest.raises(WeightsError, match="2 ranges for 8 convolutions"):
        weights.detector_graph(int8=True)


def test_a_warm_start_reads_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights.detector_graph(), weights.shape_predictor(5)
    for name in ("read_detector", "read_shape_predictor"):
        monkeypatch.setattr(dat, name, None)
    monkeypatch.setattr("hashlib.file_digest", None)
    assert weights.detector_graph() == first[0]
    assert_same(weights.shape_predictor(5), first[1])


def test_shape_predictors_come_back_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    assert_same(weights.shape_predictor(5), FOREST)
    assert_same(weights.shape_predictor(5), FOREST)
    assert caplog.messages == ["preparing the 5-point landmark model, once, some seconds"]


def test_other_weights_are_converted_anew(models: Path) -> None:
    path = models / weights.SHAPE_FILES[5]
    original = path.read_bytes()
    assert_same(weights.shape_predictor(5), FOREST)
    other = replace(FOREST, threshold=FOREST.threshold + 1)
    try:
        path.write_bytes(encode.shape_predictor(other))
        assert_same(weights.shape_predictor(5), other)
    finally:
        path.write_bytes(original)
    assert_same(weights.shape_predictor(5), FOREST)


def test_another_conversion_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights.detector_graph()
    monkeypatch.setattr(weights, "CONVERSION", weights.CONVERSION + 1)
    assert weights.detector_graph() != first
    assert first.exists()


@pytest.mark.parametrize("keep", [0, 3, 1000])
def test_a_damaged_cache_is_made_anew(keep: int, caplog: pytest.LogCaptureFixture) -> None:
    graph = weights.detector_graph()
    weights.shape_predictor(5)
    sound = {path: path.read_bytes() for path in cache.cache_folder().glob("*-*")}
    for path in sound:
        os.truncate(path, keep)
    assert weights.detector_graph() == graph
    assert_same(weights.shape_predictor(5), FOREST)
    assert {path: path.read_bytes() for path in sound} == sound
    assert caplog.text.count("is damaged") == 2


def test_a_sound_file_of_another_kind_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    """As a bug in an older version could leave it: the checksum is right, the content is not."""
    weights.shape_predictor(5)
    (path,) = cache.cache_folder().glob("landmarks5-*")
    name = path.name.rpartition("-")[0]
    path.unlink()
    cache.put(name, ".bin", [bytes(4000)])
    assert_same(weights.shape_predictor(5), FOREST)
    assert "without parts" in caplog.text


def test_the_number_of_points_is_checked() -> None:
    with pytest.raises(WeightsError, match="has 5 points, not 68"):
        weights.shape_predictor(68)


def test_damaged_weights_are_refused(models: Path) -> None:
    path = models / weights.DETECTOR_FILE
    original = path.read_bytes()
    try:
        path.write_bytes(original[:-1])
        with pytest.raises(WeightsError, match=r"mmod_human_face_detector\.dat is damaged at byte"):
            weights.detector_graph()
    finally:
        path.write_bytes(original)
    assert not list(cache.cache_folder().glob("detector*"))


def test_weights_that_overflow_are_refused(models: Path) -> None:
    """Finite numbers whose product is not: found while folding, named like any other damage."""
    path = models / weights.RECOGNISER_FILE
    original = path.read_bytes()
    huge = bytearray(original)
    for name, length in ((b"con_4", 32 * 3 * 7 * 7 + 32), (b"affine_", 2 * 32)):
        head = name + encode.integers(2, length, 1, 1, 1)
        at = huge.index(head) + len(head)
        huge[at : at + 4] = np.float32(1e30).tobytes()
    try:
        path.write_bytes(huge)
        with pytest.raises(WeightsError, match="too large"):
            weights.recogniser_graph()
    finally:
        path.write_bytes(original)


def test_a_missing_file_names_the_way_out(models: Path) -> None:
    path = models / weights.SHAPE_FILES[68]
    path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(WeightsError, match="is missing: pip install --force-reinstall"):
            weights.shape_predictor(68)
    finally:
        path.with_suffix(".away").rename(path)


@pytest.mark.parametrize("spec", [None, ValueError("no spec")])
def test_a_missing_package_names_the_way_out(
    spec: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> None:
        if spec:
            raise spec

    monkeypatch.setattr(weights, "find_spec", find_spec)
    with pytest.raises(WeightsError, match="pip install face_recognition_models"):
        weights.detector_graph()


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (place := tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEGRAB_CACHE", str(place))
    with pytest.raises(WeightsError, match=f"{place}.*FACEGRAB_CACHE"):
        weights.detector_graph()


PREPARING = """
import sys
from facegrab.models import weights
sys.stdin.read()
assert weights.detector_graph().stat().st_size > 500_000
assert len(weights.shape_predictor(5).initial) == 5
"""


def test_processes_may_prepare_at_once(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-W", "error", "-c", PREPARING]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) for _ in range(2)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    assert [racer.wait(30) for racer in racers] == [0, 0]
    names = sorted(path.name.split("-")[0] for path in cache.cache_folder().iterdir())
    assert names == ["detector", "known.json", "landmarks5"]


def test_a_forest_file_announces_what_it_holds() -> None:
    content = np.frombuffer(b"".join(forest_file.pack(FOREST)), np.uint8)
    assert_same(forest_file.unpack(content), FOREST)
    for damaged in (content[:-4], content[:-1], content[:3], content[:0]):
        with pytest.raises(ValueError, match="make"):
            forest_file.unpack(damaged)
    for word in range(forest_file.HEADER_WORDS):
        for value in (0, -1, 2**31 - 1):
            wrong = content.copy().view("<i4")
            wrong[word] = value
            with pytest.raises(ValueError, match=r"parts|arrays"):
                forest_file.unpack(wrong.view(np.uint8))
    signs = content.copy().view("<i4")
    signs[[1, 2, 4]] *= -1  # stages, trees and features: every array keeps its length
    with pytest.raises(ValueError, match="without parts"):
        forest_file.unpack(signs.view(np.uint8))
