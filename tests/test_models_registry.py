"""The table of known models: consistent, checked, and nothing without encryption or a hash."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from facegrab import settings
from facegrab.cache import content_hash
from facegrab.models import folder, inspect, mtcnn, packfile, registry, weights
from facegrab.models.packfile import DETECTOR, RECOGNISER, role_of
from facegrab.models.specs import RecogniserSpec

KNOWN = list(registry.KNOWN.values())
DOWNLOADS = registry.DOWNLOADS


@pytest.mark.parametrize("spec", KNOWN, ids=lambda spec: spec.name)
def test_every_known_model_can_be_installed(spec: packfile.Spec) -> None:
    assert folder.is_name(spec.name)
    assert spec.graph is None
    assert packfile.is_sha256(spec.sha256)
    assert spec.licence.source.startswith("https://")
    if isinstance(spec, RecogniserSpec):
        assert settings.TOLERANCE[0] <= spec.tolerance <= settings.TOLERANCE[1]
        assert spec.metric == "cosine"
        assert spec.pixels.width_px == spec.pixels.height_px == 112


@pytest.mark.parametrize("spec", KNOWN, ids=lambda spec: spec.name)
def test_colours_are_the_kind_s_own_unless_the_net_is_known_to_differ(spec: packfile.Spec) -> None:
    pixels = (spec.pixels.order, spec.pixels.mean, spec.pixels.divisor)
    assert (pixels == inspect.USUAL[spec.kind]) == (spec.name not in ("sface", "mobilefacenet"))


def test_names_and_hashes_are_unique() -> None:
    assert len({spec.sha256 for spec in KNOWN}) == len(KNOWN)
    embedded = {name for role in registry.EMBEDDED.values() for name in role}
    assert not embedded & registry.KNOWN.keys()
    assert not registry.PACKS.keys() & registry.KNOWN.keys()
    assert registry.PACKS.keys() & embedded == {"dlib"}, "the one name of a pack and a model"


@pytest.mark.parametrize("pack", registry.PACKS)
def test_every_pack_is_a_detector_and_a_recogniser(pack: str) -> None:
    detector, recogniser = registry.PACKS[pack]
    for name, role in ((detector, DETECTOR), (recogniser, RECOGNISER)):
        if name not in registry.EMBEDDED[role]:
            assert role_of(registry.KNOWN[name]) == role
            assert registry.source_of(name), "there is a way to get it"


@pytest.mark.parametrize("name", DOWNLOADS)
def test_every_download_is_encrypted_bounded_and_checked(name: str) -> None:
    source = DOWNLOADS[name]
    assert all(address.startswith("https://") for address in source.addresses)
    assert packfile.is_sha256(source.sha256)
    assert source.size_bytes > 0
    if source.members:
        assert tuple(source.members) == registry.PACKS[name]
        assert all(each.endswith(".onnx") for names in source.members.values() for each in names)
    else:
        assert source.sha256 == registry.KNOWN[name].sha256


def test_insightface_s_models_are_not_for_commerce() -> None:
    for pack in ("buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2"):
        assert not any(registry.KNOWN[name].licence.commercial for name in registry.PACKS[pack])


def test_a_file_is_known_by_its_hash() -> None:
    found = registry.by_hash(registry.KNOWN["yunet"].sha256, Path("some.onnx"))
    assert found is not None
    assert (found.name, found.graph) == ("yunet", Path("some.onnx"))
    assert registry.by_hash("0" * 64, Path("some.onnx")) is None
    assert registry.is_known(registry.KNOWN["sface"].sha256)
    assert not registry.is_known("0" * 64)


def test_where_to_get_a_model() -> None:
    assert registry.source_of("yunet") == "yunet"
    assert registry.source_of("det_10g") == "buffalo_l"
    assert registry.source_of("glintr100") == "antelopev2"
    assert registry.source_of("mobilefacenet") is None


def test_the_embedded_hashes_are_those_of_the_packages() -> None:
    dlib = weights.weights_folder()
    assert content_hash(dlib / weights.DETECTOR_FILE) == registry.DLIB_DETECTOR_SHA256
    assert content_hash(dlib / weights.RECOGNISER_FILE) == registry.DLIB_RECOGNISER_SHA256
    package = find_spec(mtcnn.PACKAGE)
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "assets" / "weights"
    files = (folder / file.name for file in mtcnn.FILES.values())
    combined = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    assert combined.hexdigest() == registry.MTCNN_SHA256


def test_the_page_of_models_is_complete() -> None:
    page = Path(__file__).parents[1] / "docs" / "models.md"
    text = page.read_text("utf-8")
    names = {name for role in registry.EMBEDDED.values() for name in role}
    for name in (*names, *registry.KNOWN, *registry.PACKS):
        assert f"`{name}`" in text, name
    assert all(f"| `{kind}` |" in text for kind in inspect.KINDS)
