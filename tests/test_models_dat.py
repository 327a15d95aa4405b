"""The readers of dlib's files: what they read, and that they refuse everything else."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_models_encoder as encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import WeightsError
from facegrab.models import dat_tokens
from facegrab.models.dat import read_detector, read_recogniser, read_shape_predictor
from facegrab.models.dat_bytes import DatReader
from facegrab.models.dat_tokens import Tokens
from facegrab.models.layers import DETECTOR_PLAN, Affine, Convolution, Dense

RNG = np.random.default_rng(1)
FOREST = encode.random_forest(RNG, trees=2, splits=1)

READERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "detector": (lambda path: read_detector(path, encode.TINY_DETECTOR), encode.detector(RNG)),
    "recogniser": (
        lambda path: read_recogniser(path, encode.TINY_RECOGNISER),
        encode.recogniser(RNG),
    ),
    "forest": (read_shape_predictor, encode.shape_predictor(FOREST)),
}

kinds = pytest.mark.parametrize("kind", READERS)


def refused(read: Callable[[Path], Any], path: Path, data: bytes) -> str:
    """The one line that a reader refuses these bytes with."""
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_detector_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "d.dat").write_bytes(READERS["detector"][1])
    weights = read_detector(path, encode.TINY_DETECTOR)
    assert (weights.window_px, weights.pyramid_padding_px, weights.outer_padding_px) == (80, 10, 11)
    assert weights.nms_overlap == 0.3382761351109955
    assert weights.mean_rgb == (122.782, 117.001, 104.298)
    first, norm, _, last = weights.layers
    assert isinstance(first, Convolution)
    assert first.weight.shape == (2, 3, 3, 3)
    assert (first.stride, first.padding) == (2, 0)
    assert isinstance(last, Convolution)
    assert last.weight.shape == (1, 2, 3, 3)
    assert isinstance(norm, Affine)
    assert norm.gain.shape == norm.offset.shape == (2,)


def test_batch_norm_becomes_an_affine(tmp_path: Path) -> None:
    plan = encode.TINY_DETECTOR
    gain_offset = encode.tensor(np.array([3.0, 1, 0.5, 0]).reshape(4, 1, 1, 1))
    statistics = [np.zeros(2), np.zeros(2), np.array([2.0, 1]), np.array([4.0, 0.25])]
    data = encode.detector(np.random.default_rng(1), plan)
    start = data.index(b"bn_con2") + len(b"bn_con2")
    old = len(gain_offset) + 2 * len(encode.alias(1, 2, 1, 1))
    tensors = b"".join(encode.tensor(values.reshape(1, 2, 1, 1)) for values in statistics)
    new = gain_offset + data[start + len(gain_offset) : start + old] + tensors
    (path := tmp_path / "d.dat").write_bytes(data[:start] + new + data[start + len(new) :])
    norm = read_detector(path, plan).layers[1]
    assert isinstance(norm, Affine)
    scale = np.array([3, 1]) / np.sqrt(np.array([4, 0.25]) + 1e-4)
    np.testing.assert_allclose(norm.gain, scale, rtol=1e-6)
    np.testing.assert_allclose(norm.offset, [0.5, 0] - scale * [2, 1], rtol=1e-6)


def test_recogniser_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "r.dat").write_bytes(READERS["recogniser"][1])
    weights = read_recogniser(path, encode.TINY_RECOGNISER)
    assert weights.chip_px == 150
    assert len(weights.layers) == len(encode.TINY_RECOGNISER)
    dense = weights.layers[-1]
    assert isinstance(dense, Dense)
    assert dense.weight.shape == (4, 8)


@pytest.mark.parametrize("splits", [1, 3, 15])
def test_shape_predictor_is_read(tmp_path: Path, splits: int) -> None:
    forest = encode.random_forest(np.random.default_rng(splits), splits=splits, points=5)
    (path := tmp_path / "s.dat").write_bytes(encode.shape_predictor(forest))
    read = read_shape_predictor(path)
    for field in fields(forest):
        expected, found = getattr(forest, field.name), getattr(read, field.name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@kinds
def test_every_truncation_is_refused(kind: str, tmp_path: Path) -> None:
    read, data = READERS[kind]
    (path := tmp_path / "cut.dat").write_bytes(data)
    for length in reversed(range(len(data))):
        os.truncate(path, length)
        with pytest.raises(WeightsError, match="is damaged at byte"):
            read(path)


@kinds
@pytest.mark.parametrize("more", [b"\0", b"\x01\x01", b"\x09", bytes(5000)])
def test_bytes_left_over_are_refused(kind: str, more: bytes, tmp_path: Path) -> None:
    read, data = READERS[kind]
    assert f"byte {len(data)}" in refused(read, tmp_path / "long.dat", data + more)


@kinds
@settings(
    max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.data())
def test_no_mutation_gets_past_the_readers(
    kind: str, values: st.DataObject, tmp_path: Path
) -> None:
    read, data = READERS[kind]
    mutated = bytearray(data)
    for _ in range(values.draw(st.integers(1, 4))):
        at = values.draw(st.integers(0, len(mutated) - 1))
        patch = values.draw(st.binary(max_size=12))
        mutated[at : at + values.draw(st.integers(0, 12))] = patch
        if not mutated:
            break
    path = tmp_path / "mutated.dat"
    path.write_bytes(mutated)
    try:
        read(path)
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017


@kinds
@settings(max_examples=60, deadline=1000)
@given(data=st.binary(max_size=400))
def test_noise_is_refused(kind: str, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    refused(READERS[kind][0], tmp_path_factory.getbasetemp() / "noise.dat", data)


@kinds
def test_a_missing_file_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*none\.dat"):
        READERS[kind][0](tmp_path / "none.dat")


@kinds
def test_a_giant_file_is_not_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.models.dat_bytes.LARGEST_FILE_BYTES", 100)
    read, data = READERS[kind]
    assert "large" in refused(read, tmp_path / "giant.dat", data)


def test_announced_sizes_are_not_believed(tmp_path: Path) -> None:
    """A small file that announces terabytes costs no memory."""
    side = (1 << 24) - 1
    data = READERS["detector"][1]
    start = data.index(b"con_4") + 5
    net = data[:start] + encode.integers(2, side, side, side, side) + data[start + 5 :]
    forest = encode.integers(1, -2000, -1) + encode.numbers(np.ones(2000))
    forest += encode.integers(256, 1 << 14, 4095)
    # Traced once before, so that what is allocated only the first time does not count.
    for _ in range(2):
        tracemalloc.start()
        refused(READERS["detector"][0], tmp_path / "net.dat", net)
        message = refused(read_shape_predictor, tmp_path / "forest.dat", forest)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "are announced" in message
    assert peak < 5e6


def test_empty_tensors_with_huge_sides_are_refused(tmp_path: Path) -> None:
    side = (1 << 24) - 1
    reader = DatReader(tmp_path, encode.integers(2, 0, side, side, side))
    with pytest.raises(WeightsError, match="byte 0: a tensor of shape"):
        reader.tensor()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x00", "starts no integer"),
        (b"\x09" + bytes(9), "starts no integer"),
        (b"\x11\x01", "starts no integer"),
        (b"\x08" + b"\xff" * 8, "is not from"),
        (b"\x02\x01", "2 bytes are announced, 1 are left"),
        (b"", "1 bytes are announced, 0 are left"),
    ],
)
def test_bad_integers(data: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"byte [01]: .*{what}"):
        DatReader(tmp_path, data).integer(-100, 100)


@pytest.mark.parametrize(("mantissa", "exponent"), [(0, 32000), (1, -32000), (1 << 52, 1000)])
def test_infinite_numbers(mantissa: int, exponent: int, tmp_path: Path) -> None:
    data = encode.integers(mantissa, exponent)
    with pytest.raises(WeightsError):
        DatReader(tmp_path, data).number()
    with pytest.raises(WeightsError, match="finite"):
        Tokens(tmp_path, data).floats(1)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x01\x07\x04\x01", "byte 2: the file ends within an integer"),
        (b"\x01\x07\x01\x07\x01", "byte 4: the file ends within an integer"),
        (b"\x01\x07\x08" + b"\xff" * 8, "byte 2: an integer of more than 63 bits"),
        (b"\x01\x07\x11\x01", "byte 2: 0x11 starts no integer"),
    ],
)
def test_bad_integers_in_a_run(data: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=what):
        Tokens(tmp_path, data).take(2)


def test_a_run_longer_than_the_file_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dat_tokens, "_starts", None)
    with pytest.raises(WeightsError, match="are announced, 6 are left"):
        Tokens(tmp_path, b"\x01\x01" * 3).take(4)


def test_a_negative_variance_is_refused(tmp_path: Path) -> None:
    data = bytearray(READERS["detector"][1])
    tail = encode.integers(100, 100) + encode.RATES + encode.number(1e-4)
    at = data.index(tail) - 4
    data[at : at + 4] = np.float32(-0.5).tobytes()
    assert "a variance of -0.5" in refused(READERS["detector"][0], tmp_path / "v.dat", bytes(data))


def test_a_float_too_large_for_float32(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="float32"):
        Tokens(tmp_path, encode.integers(1, 128)).floats(1)


def test_undefined_weights_are_refused(tmp_path: Path) -> None:
    data = bytearray(READERS["detector"][1])
    at = data.index(b"con_4") + 5 + len(encode.integers(2, 56, 1, 1, 1))
    data[at : at + 4] = np.float32(np.nan).tobytes()
    assert "undefined" in refused(READERS["detector"][0], tmp_path / "nan.dat", bytes(data))


def test_another_network_is_refused(tmp_path: Path) -> None:
    """A file that is whole, but whose network is not the one that is asked for."""
    message = refused(read_detector, tmp_path / "tiny.dat", READERS["detector"][1])
    assert "byte" in message
    full = encode.detector(RNG, DETECTOR_PLAN).replace(b"relu_", b"sigm_")
    assert "b'sigm_' stands where 'relu_' should" in refused(
        read_detector, tmp_path / "sigmoid.dat", full
    )


@pytest.mark.parametrize("name", ["NMS_OVERLAP", "MEAN_RGB"])
def test_other_constants_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = 0.5 if name == "NMS_OVERLAP" else (122.782, 117.001, 104.0)
    monkeypatch.setattr(f"facegrab.models.details.{name}", other)
    assert "not the known network" in refused(*_placed("detector", tmp_path))


def _placed(kind: str, folder: Path) -> tuple[Callable[[Path], Any], Path, bytes]:
    read, data = READERS[kind]
    return read, folder / "file.dat", data


@pytest.mark.parametrize(
    ("field", "value"), [("split_a", 4), ("split_b", -1), ("anchor", 2), ("anchor", -1)]
)
def test_indices_out_of_range_are_refused(field: str, value: int, tmp_path: Path) -> None:
    array = getattr(FOREST, field).copy()
    array.flat[-1] = value
    with pytest.raises(ValueError, match=field):
        replace(FOREST, **{field: array})
    broken = replace(FOREST)
    object.__setattr__(broken, field, array)
    refused(read_shape_predictor, tmp_path / "index.dat", encode.shape_predictor(broken))


def test_trees_that_are_not_complete_are_refused() -> None:
    with pytest.raises(ValueError, match="2 splits make no complete tree"):
        encode.random_forest(RNG, splits=2)


@pytest.mark.parametrize("unit", [b"\x02\x02\x02", b"\x04\x04\x04\x04\x04"])
@pytest.mark.parametrize("piece", [100, 5000, 1 << 22])
def test_integers_out_of_step(
    unit: bytes, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every phase of these bytes is a run of integers of its own, so walks never fall into step."""
    monkeypatch.setattr(dat_tokens, "PIECE_BYTES", piece)
    values = Tokens(tmp_path, unit * 3000).take(3000)
    assert (values == int.from_bytes(unit[1:], "little")).all()


@pytest.mark.parametrize("piece", [64, 1000, 1 << 22])
def test_integers_of_all_sizes(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dat_tokens, "PIECE_BYTES", piece)
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 63, 20_000)
    expected = [int(rng.integers(-(1 << n), 1 << n)) for n in bits.tolist()]
    tokens = Tokens(tmp_path, encode.integers(*expected))
    found = np.concatenate([tokens.take(count) for count in (1, 7, 4000, 15_992)])
    assert found.tolist() == expected
    tokens.end()


def test_a_long_run_is_split_without_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("split in turn")

    monkeypatch.setattr(dat_tokens, "_starts_in_turn", never)
    values = np.random.default_rng(3).normal(size=20_000).astype(np.float32)
    np.testing.assert_array_equal(Tokens(tmp_path, encode.numbers(values)).floats(20_000), values)
