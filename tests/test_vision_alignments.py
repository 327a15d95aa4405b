"""Each recipe against its publication, derived anew; and what --align takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facegrab.errors import SettingError
from facegrab.types import FloatArray
from facegrab.vision import align
from facegrab.vision.alignments import (
    RECIPES,
    Alignment,
    native_scale,
    parse_alignments,
    require_points68,
)
from facegrab.vision.points import five_of

Array = NDArray[Any]

NO_68 = np.full((68, 2), np.nan, np.float32)
SIZES = {"arcface": [112, 128, 224, 384, 896], "dlib-chip": [97, 150, 256]}
CASES = [(name, size) for name in RECIPES for size in SIZES.get(name, [101, 256, 512])]


def jaw() -> Array:
    """17 points below the mean face: an ellipse from ear to ear."""
    angle = np.linspace(np.pi, 0, 17)
    return np.stack([0.49 + 0.62 * np.cos(angle), 0.2 + 1.0 * np.sin(angle)], axis=1)


def face_points(angle: float = 0.2, scale: float = 180.0, seed: int = 0) -> FloatArray:
    """68 points of a face that is nobody's: the mean face, turned, large, a little changed."""
    points = np.concatenate([jaw(), align.MEAN_FACE])
    points = points + np.random.default_rng(seed).normal(scale=0.012, size=points.shape)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ turn.T + [480.0, 440.0], np.float32)


def box_of(points68: FloatArray) -> FloatArray:
    return np.concatenate([points68.min(axis=0), points68.max(axis=0)])


def placed(alignment: Alignment, points68: FloatArray, *, without_68: bool = False) -> Array:
    """The matrix for a face that is known by its 68 points."""
    five = five_of(points68[None])[0]
    return alignment.matrix(box_of(points68), five, NO_68 if without_68 else points68)


def one(text: str, extract_size: int = 256) -> Alignment:
    (alignment,) = parse_alignments([text], extract_size)
    return alignment


def moved(matrix: Array, points: Array) -> Array:
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def corners(size: int) -> Array:
    """Centres of the corner pixels."""
    return np.array([[0, 0], [size - 1, 0], [0, size - 1], [size - 1, size - 1]], np.float64)


def unmoved(matrix: Array, points: Array) -> Array:
    """Where points of the extract come from."""
    return np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def apart(matrix: Array, other: Array, points68: Array, size: int) -> float:
    """How far the landmarks, and the corners of the other's extract, land from each other, px."""
    points = np.concatenate([points68, unmoved(other, corners(size))])
    return float(np.linalg.norm(moved(matrix, points) - moved(other, points), axis=1).max())


# The publications, derived anew: each gives the matrix from frame to extract.


def published_dlib(points68: FloatArray, size: int) -> Array:
    """dlib itself says which rectangle it cuts; a corner of it is a corner pixel's centre."""
    dlib = pytest.importorskip("dlib", reason="dlib-bin, a development extra, is not installed")
    parts = dlib.points([dlib.point(int(x), int(y)) for x, y in points68])
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
    details = dlib.get_face_chip_details(shape, size, 0.25)
    rect, angle = details.rect, details.angle
    middle = np.array([rect.left() + rect.right(), rect.top() + rect.bottom()]) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * (rect.right() - rect.left()) / (size - 1)
    from_chip = np.column_stack([linear, middle - linear @ np.full(2, (size - 1) / 2)])
    return align.similarity(moved(from_chip, corners(size)), corners(size))


def published_arcface(points5: Array, size: int) -> Array:
    transform = pytest.importorskip("skimage.transform")
    template = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366]
    template += [41.5493, 92.3655, 70.7299, 92.2041]
    ratio, shift = (size / 112, 0.0) if size % 112 == 0 else (size / 128, 8.0 * size / 128)
    target = np.array(template).reshape(5, 2) * ratio + [shift, 0]
    estimate = transform.SimilarityTransform.from_estimate(points5.astype(float), target)
    return np.asarray(estimate.params[:2])


CANVAS = (1200, 1100)


def published_ffhq(points68: Array, size: int, canvas: tuple[int, int] = CANVAS) -> Array:
    """By a picture that shows its own coordinates, taken through Pillow as the script does."""
    image = pytest.importorskip("PIL.Image")
    points = points68.astype(float)
    eye_left, eye_right = points[36:42].mean(0), points[42:48].mean(0)
    eyes, mouth = (eye_left + eye_right) / 2, (points[48] + points[54]) / 2
    across, down = eye_right - eye_left, mouth - eyes
    x = across - np.flipud(down) * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    y = np.flipud(x) * [-1, 1]
    c = eyes + down * 0.1
    quad = np.stack([c - x - y, c - x + y, c + x + y, c + x - y])
    shrink = int(np.floor(np.hypot(*x) * 2 / size * 0.5))
    width, height = canvas
    seen = []
    for values in np.meshgrid(np.arange(width), np.arange(height)):
        picture, corner = image.fromarray(values.astype(np.float32)), quad.copy()
        if shrink > 1:
            to = (int(np.rint(width / shrink)), int(np.rint(height / shrink)))
            picture, corner = picture.resize(to, image.Resampling.LANCZOS), quad / shrink
        corner = (corner + 0.5).flatten()
        large = picture.transform(
            (4 * size,) * 2, image.Transform.QUAD, corner, image.Resampling.BILINEAR
        )
        small = large.resize((size, size), image.Resampling.LANCZOS)
        seen.append(np.asarray(small)[8:-8:7, 8:-8:7].ravel())
    grid = np.meshgrid(*[np.arange(size)[8:-8:7]] * 2)
    extract = np.stack([axis.ravel() for axis in grid], axis=1)
    return align.similarity(np.stack(seen, axis=1), extract.astype(float))


HALF_HEAD = {
    (6, 10): (4.056931, -11.432347, 1.636229),
    (7, 9): (1.833492, -12.542305, 4.061275),
    (8, 8): (0, -12.901019, 4.070434),
    (17, 26): (6.825897, 1.275284, 4.402142),
    (21, 22): (1.330353, 1.636816, 6.903745),
    (31, 35): (1.930245, -5.060977, 5.914376),
    (32, 34): (0.746313, -5.136947, 6.263227),
    (33, 33): (0, -5.485328, 6.76343),
    (36, 45): (5.311432, 0, 3.987654),
    (39, 42): (1.78993, -0.091703, 4.413414),
    (48, 54): (2.774015, -7.566103, 5.048531),
    (50, 52): (0.509714, -7.056507, 6.566167),
    (51, 51): (0, -7.131772, 6.704956),
    (58, 56): (0.589441, -8.443925, 6.109526),
    (57, 57): (0, -8.601736, 6.097667),
}
"""The head's model has two like halves."""


def published_faceswap(points68: Array, size: int, kind: str) -> Array:
    """Its formulas, the pose of the head found by another solver."""
    transform = pytest.importorskip("skimage.transform")
    optimize = pytest.importorskip("scipy.optimize")
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    mean = align.MEAN_FACE + np.array([0.5 - 0.490127, 0])
    estimate = transform.SimilarityTransform.from_estimate(points68[17:].astype(float), mean)
    unit = np.asarray(estimate.params[:2])
    landed = moved(unit, points68)
    model = {left: point for (left, _), point in HALF_HEAD.items()}
    model |= {right: (-x, y, z) for (_, right), (x, y, z) in HALF_HEAD.items()}
    seen, known = landed[list(model)], np.array(list(model.values()))

    def project(pose: Array, points: Array) -> Array:
        x, y, z = (rotation.from_rotvec(pose[:3]).apply(points) + pose[3:]).T
        return np.stack([4 * x / z + 0.5, 4 * y / z + 0.5], axis=1)

    def error(pose: Array) -> Array:
        return np.asarray((project(pose, known) - seen).ravel())

    start = np.array([0.01, 0.01, 0.01, 0.0, -5.0, -55.0])  # a camera that looks from behind
    pose = optimize.least_squares(error, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    middle, ratio = {"face": ((0, -1.5, 4.2), 0.5), "head": ((0, 0, -2.3), 0.625)}[kind]
    unit[:, 2] -= project(pose, np.array([middle]))[0] - 0.5
    padding = round(size * ratio / 2)
    matrix = unit * (size - 2 * padding)
    matrix[:, 2] += padding
    return matrix


def published(
    name: str, points68: FloatArray, size: int, canvas: tuple[int, int] = CANVAS
) -> Array:
    if name == "dlib-chip":
        return published_dlib(points68, size)
    if name == "arcface":
        return published_arcface(five_of(points68[None])[0], size)
    if name == "ffhq":
        return published_ffhq(points68, size, canvas)
    return published_faceswap(points68, size, name.partition("-")[2])


PUBLISHED = [case for case in CASES if case[0] not in ("mean-face", "none")]


@pytest.mark.parametrize(("name", "size"), PUBLISHED)
@pytest.mark.parametrize("angle", [-0.4, 0.0, 0.9])
def test_a_recipe_is_the_published_one(name: str, size: int, angle: float) -> None:
    points68 = np.rint(face_points(angle, seed=size))  # dlib knows whole pixels only
    ours = placed(one(f"{name}:{size}"), points68)
    assert apart(ours, published(name, points68, size), points68, size) < 0.01


@pytest.mark.parametrize("size", [48, 64, 101, 128])
def test_ffhq_is_within_half_a_pixel_where_the_script_shrinks_first(size: int) -> None:
    points68 = face_points(0.3, 260)
    ours = placed(one(f"ffhq:{size}"), points68)
    assert 0.01 < apart(ours, published_ffhq(points68, size), points68, size) < 0.5


def test_ffhq_of_a_face_seen_from_the_side_goes_by_its_height() -> None:
    points68 = face_points(0.0) * np.array([0.4, 1.0], np.float32) + np.array([300, 0], np.float32)
    ours = placed(one("ffhq:256"), points68)
    assert apart(ours, published_ffhq(points68, 256), points68, 256) < 0.01


def test_mean_face_is_the_default() -> None:
    """18 % of padding, here 46 px, around the mean face; an eye's point counts twelve times."""
    points68 = face_points()
    ours = placed(one("mean-face"), points68)
    times = [1] * 19 + [12] * 12 + [1] * 20
    source, target = (
        np.repeat(each, times, axis=0) for each in (points68[17:], align.MEAN_FACE * 164 + 46)
    )
    assert np.allclose(ours, align.similarity(source, target))
    assert one("mean-face") == parse_alignments([], 256)[0]


def test_without_68_points_the_eyes_count_as_much() -> None:
    """The nose found elsewhere pushes them less than half as far as it would with equal weights."""
    points5 = five_of(np.concatenate([jaw(), align.MEAN_FACE])[None])[0] * 200 + [90.0, 60.0]
    template = five_of(np.concatenate([jaw(), align.MEAN_FACE])[None])[0] * 164 + 46
    points5[2] += [20.0, 0.0]
    matrix = one("mean-face").matrix(np.zeros(4, np.float32), points5.astype(np.float32), NO_68)
    pushed, equally = (
        np.linalg.norm(moved(each, points5)[:2] - template[:2], axis=1).max()
        for each in (matrix, align.similarity(points5, template))
    )
    assert equally > 2
    assert pushed < equally / 2


def test_none_is_the_box_and_a_margin() -> None:
    """Edges of the extract are edges of pixels: a quarter of the longer side around the box."""
    box = np.array([100, 50, 199, 129], np.float32)  # 100 x 80 px
    matrix = one("none:75").matrix(box, np.zeros((5, 2), np.float32), NO_68)
    assert native_scale(matrix) == pytest.approx(0.5)
    edges = unmoved(matrix, np.array([[-0.5, -0.5], [74.5, 74.5]]))
    assert edges == pytest.approx(np.array([[74.5, 14.5], [224.5, 164.5]]))


@pytest.mark.parametrize(("name", "size"), CASES)
@given(st.floats(-3.1, 3.1), st.floats(40, 900), st.integers(0, 99))
def test_every_recipe_is_a_similarity(
    name: str, size: int, angle: float, scale: float, seed: int
) -> None:
    matrix = placed(one(f"{name}:{size}"), face_points(angle, scale, seed))
    assert matrix.dtype == np.float64
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])
    assert matrix[0, 1] == pytest.approx(-matrix[1, 0])
    assert native_scale(matrix) == pytest.approx(np.sqrt(np.linalg.det(matrix[:, :2])))


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "none"])
@given(st.floats(-3.1, 3.1), st.integers(0, 99))
def test_a_turned_picture_gives_the_same_extract(name: str, angle: float, seed: int) -> None:
    alignment = one(f"{name}:224")
    points, turned = face_points(0, 150, seed), face_points(angle, 150, seed)
    landed = moved(placed(alignment, points), points)
    assert np.abs(moved(placed(alignment, turned), turned) - landed).max() < 0.05


@pytest.mark.parametrize("name", [n for n, recipe in RECIPES.items() if not recipe.needs_points68])
def test_five_points_do_where_there_are_no_68(name: str) -> None:
    """On an undisturbed mean face both ways agree; dlib's 68-point recipe too."""
    points68 = np.concatenate([jaw(), align.MEAN_FACE]) * 200 + [90.0, 60.0]
    points68 = points68.astype(np.float32)
    alignment = one(f"{name}:224")
    with_68, without = placed(alignment, points68), placed(alignment, points68, without_68=True)
    assert apart(with_68, without, points68, 224) < 0.01
    assert np.array_equal(points68[30], five_of(points68[None])[0, 2])


@pytest.mark.parametrize("name", ["faceswap-face", "faceswap-head"])
def test_faceswap_is_refused_without_68_points(name: str) -> None:
    alignment = one(name)
    with pytest.raises(SettingError, match=f"align {name} needs the 68 points.*not for products"):
        require_points68([one("ffhq"), alignment], "its licence is not for products")
    with pytest.raises(ValueError, match="68 points"):
        placed(alignment, face_points(), without_68=True)
    require_points68([one("mean-face"), one("ffhq"), one("arcface"), one("dlib-chip")], "")


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "none"])
def test_points_that_coincide_have_no_pose(name: str) -> None:
    same = np.full((68, 2), 40, np.float32)
    with pytest.raises(ValueError, match="pose"):
        placed(one(name), same)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("coincides", [True, False])
def test_many_faces_are_each_placed_as_alone(name: str, known: bool, coincides: bool) -> None:
    faces = [face_points(0.1 * seed, 90.0 + 40 * seed, seed) for seed in range(6)]
    if coincides:
        faces[2][:] = 40
    points68 = np.stack(faces)
    box, five = np.stack([box_of(each) for each in faces]), five_of(points68)
    shown = points68 if known else np.full_like(points68, np.nan)
    alignment = one(name)
    for number, matrix in enumerate(alignment.matrices(box, five, shown)):
        try:
            alone = alignment.matrix(box[number], five[number], shown[number])
        except ValueError:
            assert matrix is None
        else:
            assert matrix is not None
            assert np.array_equal(matrix, alone)


@pytest.mark.parametrize("place", [40.1, 1234.567, 1 / 3])
def test_five_points_that_coincide_have_no_pose(place: float) -> None:
    """Also where sums of the weighted numbers might be rounded."""
    points5 = np.full((5, 2), place, np.float32)
    with pytest.raises(ValueError, match="pose"):
        one("mean-face").matrix(np.zeros(4, np.float32), points5, NO_68)


@pytest.mark.parametrize("name", ["ffhq", "none"])
def test_a_size_changes_nothing_but_the_size(name: str) -> None:
    """The corners of what is shown stay where they are, to a part of a source pixel."""
    shown = []
    for size in (64, 300, 2048):
        edges = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5]])
        shown.append(unmoved(placed(one(f"{name}:{size}"), face_points()), edges))
    assert np.abs(shown[0] - shown[1]).max() < 1e-6
    assert np.abs(shown[0] - shown[2]).max() < 1e-6


def test_what_is_drawn_lands_where_the_matrix_says() -> None:
    """Through the warp: a spot of the frame is found at its place in the extract."""
    image = np.zeros((900, 900, 3), np.uint8)
    points68 = face_points(0.3, 150)
    x, y = np.rint(points68[30]).astype(int)
    image[y - 3 : y + 4, x - 3 : x + 4] = 255
    for alignment in parse_alignments([f"{name}:448" for name in RECIPES], 256):
        matrix = placed(alignment, points68)
        light = align.warp(image, matrix, 448)[..., 0].astype(float)
        rows, columns = np.indices(light.shape)
        seen = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
        assert np.abs(moved(matrix, np.array([x, y])) - seen).max() < 0.2


# What --align takes.


def labels(*texts: str, extract_size: int = 256) -> list[str]:
    return [alignment.label for alignment in parse_alignments(texts, extract_size)]


def test_sizes() -> None:
    assert labels() == ["mean-face-256"]
    assert labels("mean-face,dlib-chip", "arcface, ffhq:512", extract_size=300) == [
        "mean-face-300",
        "dlib-chip-150",
        "arcface-112",
        "ffhq-512",
    ]
    assert labels("none:16,none:2048") == ["none-16", "none-2048"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Ffhq", "one of mean-face, .*, none, or the path of a .json, not 'Ffhq'"),
        ("", "not ''"),
        ("ffhq,", "not ''"),
        ("ffhq:", "from 16 to 2048, not ''"),
        ("ffhq:15", "ffhq:15: a size is from 16 to 2048"),
        ("ffhq:2049", "from 16 to 2048"),
        ("ffhq:-64", "from 16 to 2048"),
        ("ffhq:64.0", "from 16 to 2048"),
        ("ffhq:٦٤", "from 16 to 2048"),
        ("arcface:200", "arcface has a multiple of 112 or 128 as its size, not 200"),
        ("ffhq,ffhq:256", "ffhq-256 twice"),
        ("gone.json", "no such template: gone.json"),
        ("gone.json:64", "no such template: gone.json"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as refused:
        parse_alignments([text], 256)
    assert "\n" not in str(refused.value)


FIVE = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]


def write(folder: Path, document: object, name: str = "mine.json") -> str:
    path = folder / name
    path.write_text(json.dumps(document), "utf-8")
    return str(path)


def test_a_template_in_shares_of_the_side(tmp_path: Path) -> None:
    path = write(tmp_path, {"name": "mine", "points": FIVE})
    alignment = one(f"{path}:200")
    assert alignment.label == "mine-200"
    points5 = (np.array(FIVE) * 500 + [40, 90]).astype(np.float32)  # 500 px wide, edge to edge
    matrix = alignment.matrix(np.zeros(4, np.float32), points5, NO_68)
    assert native_scale(matrix) == pytest.approx(0.4)
    assert moved(matrix, points5) == pytest.approx(np.array(FIVE) * 200 - 0.5, abs=1e-4)


def test_a_template_in_pixels_is_taken_as_it_is(tmp_path: Path) -> None:
    """ArcFace's own numbers at their own size give ArcFace; twice as large, edges stay."""
    points = align.ARCFACE_PX.tolist()
    path = write(tmp_path, {"name": "arc", "points": points, "size": 112})
    assert labels(path, f"{path}:224") == ["arc-112", "arc-224"]
    points68 = face_points()
    own = placed(one(path), points68)
    assert np.allclose(own, placed(one("arcface"), points68))
    large = placed(one(f"{path}:224"), points68)
    edge = np.array([[-0.5, -0.5]])
    assert unmoved(large, edge) == pytest.approx(unmoved(own, edge), abs=1e-6)


def test_a_template_of_68_points_some_of_which_count(tmp_path: Path) -> None:
    """The mean face as a template: 17 nulls for the jaw, 18 % of padding."""
    points: list[Any] = [None] * 17 + align.MEAN_FACE.tolist()
    padding = 0.18 / 0.64
    path = write(tmp_path, {"name": "mean", "points": points, "padding": padding})
    alignment = one(f"{path}:200")
    assert alignment.needs_points68
    points68 = face_points()
    expected = align.similarity(points68[17:], align.MEAN_FACE * 128 + 36)  # all points alike
    expected[:, 2] -= 0.5  # a template's edges are edges of pixels
    assert apart(placed(alignment, points68), expected, points68, 200) < 1e-6
    with pytest.raises(ValueError, match="68"):
        placed(alignment, points68, without_68=True)


def test_a_template_is_known_by_its_points(tmp_path: Path) -> None:
    same = write(tmp_path, {"points": FIVE, "name": "mine"}, "same.json")
    first = write(tmp_path, {"name": "mine", "points": FIVE})
    other = write(tmp_path, {"name": "mine", "points": [[0.31, 0.4], *FIVE[1:]]}, "other.json")
    assert one(first) == one(same)
    assert one(first).fingerprint != one(other).fingerprint
    assert one("ffhq").fingerprint == "ffhq"
    with pytest.raises(SettingError, match="mine-256 twice"):
        parse_alignments([first, other], 256)


def test_a_template_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, {"name": "mine", "points": FIVE}, "a,b.json")
    assert labels(path, f"{path}:64") == ["mine-256", "mine-64"]


def test_names_that_one_file_system_confuses(tmp_path: Path) -> None:
    upper = write(tmp_path, {"name": "Mine", "points": FIVE}, "upper.json")
    lower = write(tmp_path, {"name": "mine", "points": FIVE}, "lower.json")
    for both in ([upper, lower], [lower, upper]):
        with pytest.raises(SettingError, match="twice"):
            parse_alignments(both, 256)


LINE = [[0.1 * i, 0.2 * i] for i in range(5)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "Expecting value"),
        ("[]", "no object"),
        ("[" * 60_000, "no template"),
        ("{" * 70_000, "larger than 64 kB"),
        ("\x00\xff", "no template"),
        ({"points": FIVE}, "name missing"),
        ({"name": "a"}, "points missing"),
        ({"name": "a", "points": FIVE, "extra": 1}, "'extra' is unknown"),
        ({"name": "../a", "points": FIVE}, "letters, digits"),
        ({"name": "", "points": FIVE}, "letters, digits"),
        ({"name": "a" * 41, "points": FIVE}, "letters, digits"),
        ({"name": "a\n", "points": FIVE}, "letters, digits"),
        ({"name": 5, "points": FIVE}, "letters, digits"),
        ({"name": "ArcFace", "points": FIVE}, "name of a recipe"),
        ({"name": "a", "points": FIVE[:4]}, "5 or 68"),
        ({"name": "a", "points": {"0": 1}}, "5 or 68"),
        ({"name": "a", "points": [*FIVE[:4], [1]]}, "pair of numbers"),
        ({"name": "a", "points": [*FIVE[:4], [1, "2"]]}, "pair of numbers"),
        ({"name": "a", "points": [*FIVE[:4], [1, True]]}, "pair of numbers"),
        ({"name": "a", "points": [*FIVE[:4], [1, 10**400]]}, "within 10"),
        ({"name": "a", "points": [*FIVE[:4], [1, 99]]}, "within 10"),
        ({"name": "a", "points": [*FIVE[:4], [1, 1e999]]}, "Infinity is no number"),
        ({"name": "a", "points": [*FIVE[:4], [1, float("nan")]]}, "NaN is no number"),
        ('{"name": "a", "points": [[1e999, 0], null, null, null, [0, 0]]}', "within 10"),
        ({"name": "a", "points": [FIVE[0], None, None, None, None]}, "two points"),
        ({"name": "a", "points": [None] * 5}, "two points"),
        ({"name": "a", "points": [FIVE[0]] * 5}, "coincide"),
        ({"name": "a", "points": LINE}, "one line"),
        ({"name": "a", "points": FIVE, "size": 0}, "size is a number from 1 to 2048"),
        ({"name": "a", "points": FIVE, "size": 10**400}, "size is a number"),
        ({"name": "a", "points": FIVE, "size": "112"}, "size is a number"),
        ({"name": "a", "points": FIVE, "padding": -0.1}, "padding is a number from 0 to 2"),
    ],
)
def test_what_is_no_template(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "bad.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, "latin-1" if "\xff" in text else "utf-8")
    with pytest.raises(SettingError, match=told) as refused:
        parse_alignments([str(path)], 256)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SettingError, match="no such template"):
        parse_alignments([str(tmp_path / "folder.json")], 256)


def test_two_points_are_a_template(tmp_path: Path) -> None:
    path = write(tmp_path, {"name": "eyes", "points": [[0.3, 0.4], [0.7, 0.4], None, None, None]})
    points68 = face_points()
    landed = moved(placed(one(f"{path}:100"), points68), five_of(points68[None])[0])
    assert landed[1, 1] - landed[0, 1] == pytest.approx(0, abs=1e-4)
    assert landed[1, 0] - landed[0, 0] == pytest.approx(40, abs=1e-4)


def test_points_that_contradict_a_template_have_no_pose(tmp_path: Path) -> None:
    """A square and its mirror image: no turn brings one nearer to the other."""
    square = [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]
    alignment = one(write(tmp_path, {"name": "square", "points": [*square, None]}))
    mirrored = np.array([*square[::-1], [0.5, 0.5]], np.float32) * 100
    with pytest.raises(ValueError, match="no pose for square"):
        alignment.matrix(np.zeros(4, np.float32), mirrored, NO_68)
