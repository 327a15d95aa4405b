"""What FaceGrab knows of public models: facts only, nothing here is a weight.

Where a hash or a size comes from is said beside it. A model whose hash nobody has published would
stand here with an empty one, and is never downloaded without being told the hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from facegrab.models.details import CHIP_PX, EMBEDDING_LENGTH, MEAN_RGB
from facegrab.models.heads import SMALLEST_PX
from facegrab.models.packfile import DETECTOR, RECOGNISER, Spec
from facegrab.models.specs import DetectorSpec, Licence, Pixels, RecogniserSpec

MTCNN_SHA256 = "4fc64d898dbb755011e69a466b50aeb31224f811519bb51a1ee3eade504cbfef"
"""Of pnet.lz4, rnet.lz4 and onet.lz4 of mtcnn 1.0.0, one after the other."""
DLIB_DETECTOR_SHA256 = "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6"
"""Of mmod_human_face_detector.dat of face_recognition_models 0.3.0."""
DLIB_RECOGNISER_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
"""Of dlib_face_recognition_resnet_model_v1.dat of the same."""

DLIB_TOLERANCE = 0.593
"""Its author trained for .6, which accepts 2.8 strangers in 1000 (6,795 pairs of LFW 10x10, Azure's
families and stills, found by MTCNN); this accepts 1.3 (by dlib's detector 1.3, by YuNet .9), and
97.9 % of the true pairs in the place of 98.3: ``python -m bench.verification`` prints it."""

ARCFACE_TOLERANCE = 0.6
"""Cosine distance up to which two faces are one person, for nets trained with margins on angles.

InsightFace's example (web-demos/src_recognition/main.py) calls a similarity of .28, a distance of
.72, the same person; DeepFace (config/threshold.py) goes up to .55 for buffalo_l and .593 for
SFace; OpenCV's demo of SFace up to .637. A MobileFaceNet accepts one stranger in 1000 at .688
(measured on LFW). This stays on the strict side of them.
"""

MTCNN_SMALLEST_PX = 20
"""MTCNN's customary least face."""

ARCFACE_PX = 112
ARCFACE_LENGTH = 512

RGB_UNIT = Pixels("rgb", (127.5,) * 3, (127.5,) * 3, ARCFACE_PX, ARCFACE_PX)
"""InsightFace's recognisers: arcface_onnx.py takes it of every graph that does not subtract."""
RGB_SCRFD = Pixels("rgb", (127.5,) * 3, (128.0,) * 3)
"""InsightFace's detectors (scrfd.py); they take any size that is a multiple of 32."""

_CC0 = Licence("CC0-1.0", True, "https://github.com/davisking/dlib-models")
_MTCNN = Licence("MIT", True, "https://pypi.org/project/mtcnn/1.0.0/")
_ZOO = "https://github.com/opencv/opencv_zoo/tree/main/models"
_TRAIN = "https://github.com/ShiqiYu/libfacedetection.train"
_INSIGHTFACE = Licence(
    "non-commercial research only", False, "https://github.com/deepinsight/insightface#license"
)


@dataclass(frozen=True, slots=True)
class Download:
    """A file on the network, a graph itself or a zip archive of some.

    Attributes:
        addresses: https, tried one after the other.
        sha256: of the file, hexadecimal; empty where it is not known.
        size_bytes: of the file; 0 where it is not known.
        members: for an archive, the model's name to the names its graph may have in there.
    """

    addresses: tuple[str, ...]
    sha256: str
    size_bytes: int
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _yunet(name: str, sha256: str, licence: Licence, batch: int | None) -> DetectorSpec:
    """OpenCV feeds YuNet plain BGR of any size (FaceDetectorYN), whatever its file declares."""
    pixels = Pixels("bgr", (0.0,) * 3, (1.0,) * 3, batch=batch)
    return DetectorSpec(name, "yunet", None, sha256, licence, pixels, SMALLEST_PX["yunet"])


def _scrfd(name: str, sha256: str) -> DetectorSpec:
    pixels = replace(RGB_SCRFD, batch=1)
    return DetectorSpec(name, "scrfd", None, sha256, _INSIGHTFACE, pixels, SMALLEST_PX["scrfd"])


def _arcface(
    name: str,
    sha256: str,
    licence: Licence,
    pixels: Pixels,
    length: int = ARCFACE_LENGTH,
    tolerance: float = ARCFACE_TOLERANCE,
) -> RecogniserSpec:
    return RecogniserSpec(
        name, "arcface", None, sha256, licence, pixels, "cosine", tolerance, length
    )


_EMBEDDED: tuple[Spec, ...] = (
    DetectorSpec(
        name="mtcnn",
        kind="mtcnn",
        graph=None,
        sha256=MTCNN_SHA256,
        licence=_MTCNN,
        pixels=Pixels("rgb", (127.5,) * 3, (128.0,) * 3),  # mtcnn/utils/images.py
        smallest_px=MTCNN_SMALLEST_PX,
    ),
    DetectorSpec(
        name="dlib",
        kind="dlib",
        graph=None,
        sha256=DLIB_DETECTOR_SHA256,
        licence=_CC0,
        pixels=Pixels("rgb", MEAN_RGB, (256.0,) * 3),
        smallest_px=72,  # docs/design.md, the feed
    ),
    RecogniserSpec(
        name="dlib",
        kind="dlib",
        graph=None,
        sha256=DLIB_RECOGNISER_SHA256,
        licence=_CC0,
        pixels=Pixels("rgb", MEAN_RGB, (256.0,) * 3, CHIP_PX, CHIP_PX),
        metric="euclidean",
        tolerance=DLIB_TOLERANCE,
        length=EMBEDDING_LENGTH,
    ),
)

# Hashes: of YuNet and SFace, the LFS pointers of OpenCV Zoo; of the graphs of InsightFace's packs,
# InsightFace's own server package (its table of model packages) and several projects that pin them.
_KNOWN: tuple[Spec, ...] = (
    _yunet(
        "yunet",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        Licence("MIT", True, f"{_ZOO}/face_detection_yunet"),
        1,
    ),
    _yunet(
        "yunet_dynamic",  # the same training, exported for any size; hashed by ourselves
        "daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3",
        Licence("Apache-2.0", True, _TRAIN),
        None,
    ),
    _arcface(
        "sface",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        Licence("Apache-2.0", True, f"{_ZOO}/face_recognition_sface"),
        # RGB as it is (OpenCV, face_recognize.cpp, feature): the graph itself subtracts 127.5.
        Pixels("rgb", (0.0,) * 3, (1.0,) * 3, ARCFACE_PX, ARCFACE_PX, batch=1),
        length=128,
    ),
    _arcface(
        "mobilefacenet",  # hashed by ourselves; it takes colours as torchvision's nets do
        "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
        Licence("Apache-2.0", True, "https://github.com/foamliu/MobileFaceNet"),
        Pixels(
            "rgb",
            (123.675, 116.28, 103.53),
            (58.395, 57.12, 57.375),
            ARCFACE_PX,
            ARCFACE_PX,
            batch=1,
        ),
        length=128,
        tolerance=0.68,  # one stranger in 1000 at .688, measured on LFW
    ),
    _scrfd("det_10g", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
    _scrfd("det_2.5g", "041f73f47371333d1d17a6fee6c8ab4e6aecabefe398ff32cca4e2d5eaee0af9"),
    _scrfd("det_500m", "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a"),
    _arcface(
        "w600k_r50",
        "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        _INSIGHTFACE,
        RGB_UNIT,
    ),
    _arcface(
        "w600k_mbf",
        "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        _INSIGHTFACE,
        RGB_UNIT,
    ),
    _arcface(
        "glintr100",
        "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf",
        _INSIGHTFACE,
        RGB_UNIT,
    ),
)

EMBEDDED: dict[str, dict[str, Spec]] = {
    DETECTOR: {spec.name: spec for spec in _EMBEDDED if isinstance(spec, DetectorSpec)},
    RECOGNISER: {spec.name: spec for spec in _EMBEDDED if isinstance(spec, RecogniserSpec)},
}
"""What comes with Python packages, by role and name."""

KNOWN: dict[str, Spec] = {spec.name: spec for spec in _KNOWN}
"""What can be installed, by name, in the order it is shown in; the graph is missing."""

RECOMMENDED = "yunet"
"""The detector to have, and the default once it is installed."""

PACKS: dict[str, tuple[str, str]] = {
    "embedded": ("mtcnn", "dlib"),
    "recommended": (RECOMMENDED, "dlib"),
    "dlib": ("dlib", "dlib"),
    "opencv": (RECOMMENDED, "sface"),
    "buffalo_l": ("det_10g", "w600k_r50"),
    "buffalo_m": ("det_2.5g", "w600k_r50"),
    "buffalo_s": ("det_500m", "w600k_mbf"),
    "buffalo_sc": ("det_500m", "w600k_mbf"),
    "antelopev2": ("det_10g", "glintr100"),
}
"""A pack, and its detector and recogniser."""

_LFS = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models"
_HUGGING_FACE = "https://huggingface.co/opencv"
_RELEASE = "https://github.com/deepinsight/insightface/releases/download"


def _archive(pack: str, sha256: str, size_bytes: int, *graphs: str) -> Download:
    """A pack of InsightFace; some archives have their files in a folder, some have not."""
    addresses = tuple(f"{_RELEASE}/{tag}/{pack}.zip" for tag in ("v0.7", "model-zoo"))
    names = ((graph, f"{pack}/{graph}") for graph in graphs)
    return Download(addresses, sha256, size_bytes, dict(zip(PACKS[pack], names, strict=True)))


# Hashes and sizes of the archives: the digests of InsightFace's releases, as several projects that
# pin them repeat them.
_BUFFALO_SC = _archive(
    "buffalo_sc",
    "57d31b56b6ffa911c8a73cfc1707c73cab76efe7f13b675a05223bf42de47c72",
    14_969_382,
    "det_500m.onnx",
    "w600k_mbf.onnx",
)
DOWNLOADS: dict[str, Download] = {
    "yunet": Download(
        (
            f"{_LFS}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
            f"{_HUGGING_FACE}/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
            # What OpenCV's own tests fetch (opencv_extra, download_models.py): the same bytes.
            f"{_TRAIN}/raw/02246e79b1e976c83d1e135a85e0628120c93769/onnx/yunet_s_640_640.onnx",
        ),
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        232_589,
    ),
    "yunet_dynamic": Download(
        tuple(
            f"{_TRAIN}/raw/{commit}/onnx/yunet_s_dynamic.onnx"
            for commit in (
                "02246e79b1e976c83d1e135a85e0628120c93769",
                "2b5e61dee21441ef4676505f835ab63ee53bae1e",
            )
        ),
        "daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3",
        237_823,
    ),
    "sface": Download(
        (
            f"{_LFS}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
            f"{_HUGGING_FACE}/face_recognition_sface/resolve/main/"
            "face_recognition_sface_2021dec.onnx",
        ),
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        38_696_353,
    ),
    "buffalo_l": _archive(
        "buffalo_l",
        "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
        288_621_354,
        "det_10g.onnx",
        "w600k_r50.onnx",
    ),
    "buffalo_m": _archive(
        "buffalo_m",
        "d98264bd8f2dc75cbc2ddce2a14e636e02bb857b3051c234b737bf3b614edca9",
        275_951_529,
        "det_2.5g.onnx",
        "w600k_r50.onnx",
    ),
    # buffalo_s.zip has the same two and, in 128 MB, others that nothing here uses.
    "buffalo_s": _BUFFALO_SC,
    "buffalo_sc": _BUFFALO_SC,
    "antelopev2": _archive(
        "antelopev2",
        "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
        360_662_982,
        "scrfd_10g_bnkps.onnx",
        "glintr100.onnx",
    ),
}
"""What `facegrab models get` fetches, by the name of a model or pack."""


def by_hash(sha256: str, graph: Path) -> Spec | None:
    """What is known of weights with this hash, or None.

    Args:
        sha256: of the graph, hexadecimal.
        graph: where it lies.
    """
    for spec in KNOWN.values():
        if spec.sha256 == sha256:
            return replace(spec, graph=graph)
    return None


def is_known(sha256: str) -> bool:
    """Whether these weights are known."""
    return any(spec.sha256 == sha256 for spec in KNOWN.values())


def source_of(name: str) -> str | None:
    """What to get so that a known model is installed: itself or a pack; None if nothing has it."""
    if name in DOWNLOADS:
        return name
    return next((pack for pack, file in DOWNLOADS.items() if name in file.members), None)
