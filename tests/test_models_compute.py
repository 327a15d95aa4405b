"""What computes the networks: the fastest there is, or exactly what was asked for."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from facegrab.errors import DeviceError
from facegrab.models import compute
from facegrab.models.compute import BF16, F32, INT8, ONNX_RUNTIME, OPENVINO, Best, Compute, choose

BEST: dict[str, Best] = {
    "quick": (OPENVINO, (BF16,)),
    "even": (OPENVINO, ()),
    "dlib": (OPENVINO, (BF16, INT8)),
    "better": (OPENVINO, (INT8, BF16)),
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One with OpenVINO, bfloat16 and int8."""
    monkeypatch.setattr(compute, "has_openvino", lambda: True)
    monkeypatch.setattr(compute, "has_bf16", lambda: True)
    monkeypatch.setattr(compute, "bf16_is_faster", lambda: True)
    monkeypatch.setattr(compute, "has_int8", lambda: True)
    monkeypatch.setattr(compute, "has_amx", lambda: True)
    return monkeypatch


def of(kind: str, precision: str) -> tuple[str, str]:
    network = choose(precision=precision).of_network(kind, BEST)
    return network.runtime, network.precision


def test_auto_is_the_best_of_each_network(machine: pytest.MonkeyPatch) -> None:
    assert of("quick", "auto") == (OPENVINO, BF16)
    assert of("even", "auto") == (OPENVINO, F32)
    # Nobody has looked whether it decides alike: as it was tried when it was added.
    assert of("unknown", "auto") == (ONNX_RUNTIME, F32)


def test_auto_is_not_bf16_where_that_is_slow(machine: pytest.MonkeyPatch) -> None:
    """There it can still be asked for."""
    machine.setattr(compute, "bf16_is_faster", lambda: False)
    assert of("quick", "auto") == (OPENVINO, F32)
    assert of("quick", "bf16") == (OPENVINO, BF16)


@pytest.mark.parametrize(
    ("processor", "flags", "faster"),
    [
        ("Intel(R) Xeon(R) Processor", "avx512_bf16 amx_tile amx_bf16", True),
        ("Intel(R) Xeon(R) Processor", "avx512_bf16", False),
        ("AMD EPYC 9R14", "avx512_bf16", True),
    ],
)
def test_bf16_is_slow_on_intel_without_amx(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processor: str, flags: str, faster: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags : fpu {flags} sse\n")
    monkeypatch.setattr(compute, "CPUINFO", cpuinfo)
    monkeypatch.setattr(compute, "has_amx", compute.has_amx.__wrapped__)
    monkeypatch.setattr(compute, "has_bf16", lambda: True)
    monkeypatch.setattr("facegrab.models.openvino_runtime.processor_name", lambda: processor)
    assert compute.bf16_is_faster.__wrapped__() == faster
    monkeypatch.setattr(compute, "has_bf16", lambda: False)
    assert not compute.bf16_is_faster.__wrapped__()


@pytest.mark.parametrize("precision", ["exact", "f32"])
def test_f32_is_f32_for_all(machine: pytest.MonkeyPatch, precision: str) -> None:
    assert {of(kind, precision)[1] for kind in ("quick", "even", "unknown")} == {F32}
    assert choose(precision=precision).exact == (precision == "exact")


def test_bf16_that_is_asked_for_is_used_for_all(machine: pytest.MonkeyPatch) -> None:
    assert {of(kind, "bf16") for kind in ("quick", "even", "unknown")} == {(OPENVINO, BF16)}


def test_bf16_that_the_processor_lacks_is_an_error(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(compute, "has_bf16", lambda: False)
    with pytest.raises(DeviceError, match=r"processor does not compute in bf16.*f32 or auto"):
        choose(precision="bf16")


@pytest.mark.parametrize("bf16", [True, False])
def test_int8_is_of_networks_that_have_it(machine: pytest.MonkeyPatch, bf16: bool) -> None:
    """Others are as by auto."""
    machine.setattr(compute, "bf16_is_faster", lambda: bf16)
    assert of("dlib", "int8") == (OPENVINO, INT8)
    for kind in ("quick", "even", "unknown"):
        assert of(kind, "int8") == of(kind, "auto")


@pytest.mark.parametrize("bf16", [True, False])
def test_what_is_in_float_takes_the_best_there_is(machine: pytest.MonkeyPatch, bf16: bool) -> None:
    machine.setattr(compute, "bf16_is_faster", lambda: bf16)
    best = BF16 if bf16 else F32
    assert choose(precision="int8").of_network("dlib", BEST).float_precision == best
    for precision in (F32, BF16):
        assert Compute(precision=precision).float_precision == precision


@pytest.mark.parametrize(
    ("bf16", "amx", "int8", "dlib", "better"),
    [
        (True, True, True, BF16, BF16),
        (True, False, True, BF16, INT8),
        (False, False, True, INT8, INT8),
        (True, False, False, BF16, BF16),
        (False, False, False, F32, F32),
    ],
)
def test_auto_is_what_the_processor_is_fast_in_and_the_network_stands(
    machine: pytest.MonkeyPatch, bf16: bool, amx: bool, int8: bool, dlib: str, better: str
) -> None:
    machine.setattr(compute, "bf16_is_faster", lambda: bf16)
    machine.setattr(compute, "has_amx", lambda: amx)
    machine.setattr(compute, "has_int8", lambda: int8)
    assert of("dlib", "auto") == (OPENVINO, dlib)
    assert of("better", "auto") == (OPENVINO, better)
    assert of("quick", "auto") == (OPENVINO, BF16 if bf16 else F32)


def test_int8_that_the_processor_lacks_is_an_error(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(compute, "has_int8", lambda: False)
    with pytest.raises(DeviceError, match=r"processor does not compute in int8.*f32 or auto"):
        choose(precision="int8")
    assert choose(precision="bf16").precision == BF16


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_what_needs_openvino_is_an_error_without(
    machine: pytest.MonkeyPatch, precision: str
) -> None:
    machine.setattr(compute, "has_openvino", lambda: False)
    with pytest.raises(DeviceError, match=f"no {precision} on cpu.*pip install openvino"):
        choose(precision=precision)
    with pytest.raises(DeviceError, match=f"no {precision} on cuda"):
        choose("cuda", precision=precision)


def test_without_openvino_the_other_runtime_is_said(machine: pytest.MonkeyPatch) -> None:
    assert compute.slow_because() is None
    machine.undo()
    machine.setattr(compute, "find_spec", lambda name: None)
    machine.setattr(platform, "machine", lambda: "x86_64")
    assert choose() == Compute("cpu", ONNX_RUNTIME, F32)
    assert "pip install openvino" in str(compute.slow_because())
    machine.setattr(platform, "machine", lambda: "arm64")
    assert "arm64" in str(compute.slow_because())


def test_a_computer_of_another_kind_does_without(machine: pytest.MonkeyPatch) -> None:
    machine.undo()
    machine.setattr(compute, "find_spec", lambda name: object())
    machine.setattr(platform, "machine", lambda: "aarch64")
    assert choose().runtime == ONNX_RUNTIME


@pytest.mark.parametrize(
    ("cores", "threads", "lookers", "each"),
    [(1, 0, 1, 1), (2, 0, 2, 1), (8, 0, 4, 2), (64, 0, 4, 16), (8, 1, 1, 1), (2, 6, 4, 1)],
)
def test_lookers_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, lookers: int, each: int
) -> None:
    monkeypatch.setattr(compute, "usable_cores", lambda: cores)
    assert compute.lookers(threads) == lookers
    assert Compute(threads=threads).thread_count == each


def test_words_name_device_runtime_and_precision() -> None:
    assert str(Compute("cpu", OPENVINO, BF16)) == "cpu with OpenVINO in bf16"


@pytest.mark.parametrize("bf16", [True, False])
def test_only_auto_looks_in_bf16_first_and_only_where_that_is_fast(
    machine: pytest.MonkeyPatch, bf16: bool
) -> None:
    machine.setattr(compute, "bf16_is_faster", lambda: bf16)
    best = BEST | {"mtcnn": (OPENVINO, ())}
    found = {
        (kind, precision): choose(precision=precision).of_network(kind, best)
        for kind in best
        for precision in ("auto", "exact", "f32", "bf16", "int8")
    }
    assert [key for key, each in found.items() if each.sieved] == [("mtcnn", "auto")] * bf16
    sieved = found["mtcnn", "auto"]
    assert (sieved.runtime, sieved.precision) == (OPENVINO, F32)
    assert str(sieved) == "cpu with OpenVINO in " + ("f32 after bf16" if bf16 else "f32")
    assert not choose().of_network("mtcnn", BEST).sieved  # On ONNX Runtime there is no bfloat16.


def test_bf16_is_asked_of_openvino() -> None:
    pytest.importorskip("openvino")
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("the processor's flags cannot be read here")
    words = flags.read_text().split()
    compute.has_bf16.cache_clear()
    assert compute.has_bf16() == ("avx512_bf16" in words or "amx_bf16" in words)
