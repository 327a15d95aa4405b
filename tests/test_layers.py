"""The house is built one way: who may import whom, and who may use which library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import facegrab

ROOT = Path(facegrab.__file__).parent

GROUND = {"address", "cache", "cores", "errors", "machine_code", "settings", "summary", "types"} | {
    "vectors"
}
MAY_IMPORT = {
    "address": set(),
    "cache": {"errors"},
    "cores": set(),
    "errors": set(),
    "types": set(),
    "vectors": set(),
    "machine_code": {"cache", "errors"},
    "summary": set(),
    "memory": set(),
    "settings": {"errors"},
    "media": GROUND,
    "models": GROUND,
    "store": GROUND,
    "vision": GROUND | {"models"},
    "follow": {"types"},
    "prefetch": set(),
    "scan": GROUND | {"follow", "models", "prefetch", "vision"},
    "people": GROUND | {"media", "models", "store", "vision"},
    "extract": GROUND | {"store", "vision"},
    "choice": GROUND | {"models", "vision"},
    "question": GROUND | {"extract", "media", "people", "store", "vision"},
    "request": GROUND | {"choice", "people", "store", "vision"},
    "survey": GROUND | {"media", "memory", "people", "question", "scan", "store"},
    "harvest": GROUND | {"extract", "media", "people", "question", "scan", "store", "survey"},
    "answering": GROUND | {"extract", "media", "people", "prefetch", "question", "store"},
    "again": GROUND | {"models", "people", "question"},
    "onlook": {"people", "types"},
    "task": GROUND
    | {"choice", "harvest", "media", "people", "question", "scan", "store", "vision"},
    "crew": GROUND | {"memory", "models", "task"},
    "alone": {"task", "vision"},
    "seer": GROUND | {"media", "memory", "people", "shelf", "store", "task"},
    "desk": {"task"},
    "raylink": {"errors", "settings"},
    "cluster": GROUND | {"desk", "models", "raylink", "seer", "task"},
    "early": GROUND | {"cluster", "media", "prefetch", "task"},
    "engines": {"cluster", "crew", "settings", "task"},
    "relay": GROUND | {"media", "task"},
    "visit": GROUND | {"media", "store", "survey", "task", "vision"},
    "walk": GROUND
    | {"early", "engines", "media", "people", "relay", "scan", "store", "survey", "task"}
    | {"vision", "visit"},
    "run": GROUND
    | {"again", "answering", "choice", "early", "harvest", "media", "onlook", "people", "question"}
    | {"request", "scan", "store", "survey", "task", "vision", "visit", "walk"},
    "cataloguing": GROUND
    | {"choice", "early", "media", "request", "sharding", "store", "task", "vision", "walk"},
    "shard": GROUND | {"models", "scan", "store", "survey", "task", "vision"},
    "sharding": GROUND
    | {"alone", "media", "shard", "store", "survey", "task"}
    | {"vision", "visit", "walk"},
    "joined": GROUND | {"media", "people", "relay", "scan", "shard", "store", "survey"},
    "merging": GROUND | {"indexing", "joined", "shard", "store"},
    "indexing": GROUND | {"media", "people", "store"},
    "sheet": {"types"},
    "appraisal": GROUND | {"fetching", "media", "models", "people", "store", "vision"},
    "picking": GROUND | {"again", "appraisal", "fetching", "people", "sheet", "store"},
    "grab": GROUND
    | {
        "again",
        "choice",
        "copying",
        "early",
        "media",
        "mirror",
        "onlook",
        "people",
        "question",
        "remembered",
        "request",
        "run",
        "shard",
    }
    | {"sharding", "store", "task", "vision"},
    "mirror": GROUND | {"media", "models", "store"},
    "copying": GROUND | {"media", "raylink"},
    "sending": GROUND | {"media", "mirror", "store"},
    "fetching": GROUND | {"media", "store"},
    "shelf": GROUND | {"media", "store"},
    "view": GROUND | {"__init__", "fetching", "people", "store", "vision"},
    "verification": {"types"},
    "evaluate": GROUND | {"media", "models", "people", "verification", "vision"},
    "roc": {"store", "verification"},
    "eval_command": GROUND
    | {"evaluate", "options", "models", "roc", "store", "telling", "verification", "vision"},
    "telling": {"errors", "options", "store"},
    "console": {"summary"},
    "options": GROUND | {"__init__"},
    "cli": GROUND
    | {"console", "copying", "early", "grab", "indexing", "media", "memory", "mirror"}
    | {"options"}
    | {"people", "pick_command", "picking", "store", "telling", "view"},
    "scan_command": GROUND | {"cataloguing", "console", "early", "media", "options", "telling"},
    "index_command": GROUND
    | {"choice", "indexing", "merging", "options", "people", "store", "telling", "view"},
    "doctor": GROUND
    | {"__init__", "console", "grab", "media", "models", "scan", "store", "vision"},
    "doctor_command": GROUND | {"doctor", "options", "telling"},
    "models_command": {"errors", "settings", "types", "models", "options", "telling"},
    "refs_command": GROUND | {"choice", "options", "people", "store", "telling"},
    "pick_command": GROUND | {"options", "picking", "sending", "telling", "view"},
    "remembered": GROUND | {"choice", "models", "people", "vision"},
    "applying": GROUND
    | {"again", "answering", "media", "people", "question", "remembered", "store"},
    "reviewing": GROUND | {"again", "applying", "media", "people", "question", "store"},
    "review_images": GROUND | {"applying", "fetching", "media", "reviewing", "store"},
    "review_desk": GROUND | {"applying", "people", "review_images", "reviewing", "store", "view"},
    "review_command": {
        "address",
        "applying",
        "options",
        "review_desk",
        "sending",
        "telling",
        "view",
    },
    "report_command": {"address", "errors", "options", "sending", "store", "telling", "view"},
    "show_command": {"errors", "options", "store"},
    "__init__": {"cataloguing", "errors", "settings", "summary", "grab", "picking"},
    "__main__": {"cli"},
}
"""A part, and the parts of the house it may know (besides itself)."""

ONLY_IN = {
    # The doctor looks whether each loads, and which version it is.
    "av": {"media", "doctor"},
    "onnx": {"models", "doctor"},
    "onnxruntime": {"models", "doctor"},
    "face_recognition_models": set(),
    "joblib": {"models"},
    "lz4": {"models"},
    "mtcnn": set(),
    "sqlite3": {"store"},
    "zipfile": {"models", "people"},
    "rich": {"console"},
    "argparse": {"cli", "options", "doctor_command", "eval_command", "index_command"}
    | {
        "models_command",
        "pick_command",
        "review_command",
        "refs_command",
        "report_command",
        "scan_command",
        "show_command",
    },
    "multiprocessing": {"crew"},
    "jinja2": {"view"},
    "fastapi": {"view"},
    "uvicorn": {"view"},
    "markupsafe": {"view"},
    "ray": {"raylink", "seer"},
    "fsspec": {"media"},
    "s3fs": {"media"},
    "pyarrow": {"store"},
    "dlib": set(),
}
"""A library, and the parts that may use it."""

MODULES = sorted(ROOT.rglob("*.py"))


def part_of(module: Path) -> str:
    """``vision`` for vision/look.py, ``scan`` for scan.py."""
    return module.relative_to(ROOT).with_suffix("").parts[0]


def imports(module: Path) -> Iterator[str]:
    """Full names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_has_a_rule() -> None:
    assert {part_of(module) for module in MODULES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_imports_go_one_way(module: Path) -> None:
    part = part_of(module)
    for name in imports(module):
        if name.startswith("facegrab."):
            imported = name.split(".")[1]
            if imported in MAY_IMPORT:  # else a name of facegrab itself: __version__
                assert imported == part or imported in MAY_IMPORT[part], f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_libraries_are_used_in_one_place(module: Path) -> None:
    for name in imports(module):
        library = name.split(".")[0]
        if library in ONLY_IN:
            assert part_of(module) in ONLY_IN[library], f"{module} imports {library}"


def test_no_part_can_reach_itself() -> None:
    def below(part: str, path: tuple[str, ...]) -> None:
        assert part not in path, " -> ".join((*path, part))
        for each in MAY_IMPORT[part]:
            below(each, (*path, part))

    for part in MAY_IMPORT:
        below(part, ())


def test_every_library_is_declared() -> None:
    text = (ROOT.parents[1] / "pyproject.toml").read_text("utf-8")
    # onnx brings protobuf, numba brings llvmlite, Jinja2 brings MarkupSafe.
    module_of = {
        "cv2": "opencv-python-headless",
        "google": "onnx",
        "llvmlite": "numba",
        "markupsafe": "jinja2",
    }
    used = {name.split(".")[0] for module in MODULES for name in imports(module)}
    for library in used - set(sys.stdlib_module_names) - {"facegrab"}:
        needed, extras = text.split("[project.optional", 1)
        # Asked for by one command or option, which names the extra.
        where = extras if library in ("fsspec", "pyarrow", "ray", "s3fs") else needed
        assert f'"{module_of.get(library, library)}' in where, library
