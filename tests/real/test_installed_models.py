"""Real files of known models are recognised, installed and run."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import shared_media

from facegrab.models import install, packs, registry
from facegrab.models.own import Told
from facegrab.models.packfile import RECOGNISER

pytestmark = pytest.mark.real


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    monkeypatch.setenv("FACEGRAB_MODELS", str(tmp_path / "models"))
    return media.parent / "weights"


def test_yunet_is_opencv_s(weights: Path) -> None:
    install.get("yunet", file=weights / "yunet" / "yunet_s_640_640.onnx")
    spec = packs.default_detector()
    assert (spec.name, spec.kind) == ("yunet", "yunet")
    assert (spec.pixels.width_px, spec.pixels.batch) == (None, 1), "any size, one at a time"
    packs.check_licence(packs.resolve_pack("recommended"))


def test_known_files_need_no_words(weights: Path) -> None:
    for folder, file, name in (
        ("yunet", "yunet_s_dynamic.onnx", "yunet_dynamic"),
        ("mobilefacenet", "MobileFaceNet.onnx", "mobilefacenet"),
    ):
        spec = install.add(weights / folder / file, Told())
        assert spec.name == name
        assert spec.licence == registry.KNOWN[name].licence
        # What the table says of the input is what the file declares.
        assert spec.pixels == registry.KNOWN[name].pixels
    packs.use({RECOGNISER: "mobilefacenet"})
    assert packs.choose()[1].length == 128
