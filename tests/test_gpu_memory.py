"""How many images a graphics card is shown at a time: a guess, then halves of it."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from facegrab.models.gpu_graphs import GpuGraph
from facegrab.models.gpu_memory import MOST_VALUES, BatchedNet, fitting, free_bytes
from facegrab.types import FloatArray, Image

MIB = 2**20
GRAPH = GpuGraph(b"", image_bytes=100 * MIB, image_values=1000)


class Small:
    """A device with room for so many images, which it sums up."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.shown: list[int] = []

    def __call__(self, images: Image) -> FloatArray:
        self.shown.append(len(images))
        if len(images) > self.room:
            raise MemoryError("Failed to allocate memory for requested buffer of size 7")
        return np.asarray(images.reshape(len(images), -1).sum(axis=1), np.float32)


def images(count: int) -> list[Image]:
    return [np.full((4, 5, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize("room", [1, 3, 10, 100])
def test_what_is_too_much_is_halved_until_it_fits(room: int) -> None:
    answers = BatchedNet(Small(room), most=64)(images(50))
    assert answers.tolist() == [60.0 * number for number in range(50)]


def test_the_size_that_fits_is_remembered() -> None:
    device = Small(room=5)
    net = BatchedNet(device, most=16)
    net(images(8))
    assert device.shown == [8, 4, 4]
    net(images(8))
    assert device.shown == [8, 4, 4, 4, 4]


def test_a_short_batch_that_fails_is_halved_itself() -> None:
    """Half of the size it might have had would be no less than it was."""
    device = Small(room=3)
    BatchedNet(device, most=64)(images(6))
    assert device.shown == [6, 3, 3]


def test_one_image_that_finds_no_room_is_an_error_with_a_way_out() -> None:
    device = Small(room=0)
    with pytest.raises(MemoryError, match=r"4x5x3.*requested buffer of size 7.*min_face.*cpu"):
        BatchedNet(device, most=8)(images(8))
    assert device.shown == [8, 4, 2, 1]


def test_other_errors_are_not_tried_again() -> None:
    shown: list[int] = []

    def broken(some: Image) -> FloatArray:
        shown.append(len(some))
        raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no device"):
        BatchedNet(broken)(images(8))
    assert shown == [8]


# ---- The guess


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A driver's tool, and how it was asked."""
    asked: dict[str, Any] = {"answer": "5000\n7000\n"}

    def run(command: list[str], **options: Any) -> Any:
        asked["command"] = command
        if isinstance(asked["answer"], Exception):
            raise asked["answer"]
        return subprocess.CompletedProcess(command, 0, asked["answer"], "")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return asked


def test_half_of_the_free_memory_is_filled(card: dict[str, Any]) -> None:
    assert free_bytes() == 5000 * MIB
    assert fitting(GRAPH, "cuda") == 25
    assert fitting(GRAPH._replace(image_bytes=1), "cuda") == 128
    assert fitting(GRAPH._replace(image_bytes=5000 * MIB), "cuda") == 1


def test_the_card_in_use_is_asked(card: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    free_bytes()
    assert card["command"][-2:] == ["-i", "3"]


@pytest.mark.parametrize(
    "answer",
    ["", "[N/A]\n", OSError("gone"), subprocess.CalledProcessError(9, "nvidia-smi")],
)
def test_a_card_that_says_nothing_is_tried_with_the_most(
    card: dict[str, Any], answer: str | Exception
) -> None:
    card["answer"] = answer
    assert free_bytes() is None
    assert fitting(GRAPH, "cuda") == 128


def test_nothing_is_asked_on_a_processor(card: dict[str, Any]) -> None:
    assert fitting(GRAPH, "cpu") == 128
    assert "command" not in card


def test_without_the_drivers_tool_the_most_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert fitting(GRAPH, "cuda", most=1024) == 1024


def test_no_array_has_more_numbers_than_kernels_can_count() -> None:
    large = GRAPH._replace(image_values=MOST_VALUES // 7)
    assert fitting(large, "cpu") == 7
    assert fitting(GRAPH._replace(image_values=2 * MOST_VALUES), "cpu") == 1
