"""Installing models, known ones from the network and one's own from a file; removing them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facegrab.errors import MissingError, WeightsError
from facegrab.models import archive, download, folder, own, packfile, packs, registry
from facegrab.models.download import Progress
from facegrab.models.own import Told
from facegrab.models.packfile import DETECTOR, Spec
from facegrab.models.registry import Download

KEY_LENGTH = 16


def wanted(name: str) -> list[Spec]:
    """The models that have to be installed to use a name, without those that always are.

    Args:
        name: of a known model or pack.

    Raises:
        WeightsError: nothing that can be had is called so.
    """
    if name in registry.PACKS:
        return [registry.KNOWN[each] for each in registry.PACKS[name] if each in registry.KNOWN]
    if name in registry.KNOWN:
        return [registry.KNOWN[name]]
    if any(name in embedded for embedded in registry.EMBEDDED.values()):
        return []
    names = [*registry.DOWNLOADS, *(pack for pack in registry.PACKS if wanted(pack))]
    raise WeightsError(
        f"nothing called {name!r} can be had: there are {', '.join(dict.fromkeys(names))}; "
        "a model of your own: facegrab models add FILE.onnx"
    )


def missing(name: str) -> list[Spec]:
    """Those of `wanted` that are not installed, or damaged.

    Raises:
        WeightsError: see wanted.
    """
    return [spec for spec in wanted(name) if not _is_sound(spec)]


def get(
    name: str,
    *,
    accept_licence: bool = False,
    sha256: str = "",
    file: Path | None = None,
    timeout_seconds: float = download.DEFAULT_TIMEOUT_SECONDS,
    progress: Progress = lambda received, expected: None,
) -> list[Spec]:
    """Installs a known model, or the models of a pack, that are not installed yet.

    Args:
        name: of a known model or pack.
        accept_licence: the user agrees to terms that forbid commercial use.
        sha256: of the file, where it is not known; hexadecimal.
        file: the file itself, fetched by other means; else it is downloaded.
        timeout_seconds: for all downloads together.
        progress: see download.fetch.

    Returns:
        What was installed.

    Raises:
        WeightsError: it is unknown, cannot be reached, is not the file, or its terms are not
            agreed to.
        MissingError: there is no such file.
        OutputError, AccessError: the folder cannot be written.
    """
    needed = missing(name)
    _check_terms(name, needed, accept_licence)
    sources = _sources(name, needed)
    if file is not None and len(sources) > 1:
        raise WeightsError(f"{name} is several files: get {', '.join(sources)} one by one")
    deadline = time.monotonic() + timeout_seconds
    installed: list[Spec] = []
    for source, specs in sources.items():
        known = _with_hash(source, registry.DOWNLOADS[source], sha256.lower())
        installed += _install(known, specs, file, deadline - time.monotonic(), progress)
    return installed


def add(file: Path, told: Told) -> Spec:
    """Installs a model of one's own, after looking into it and running it once.

    Args:
        file: an ``.onnx``.
        told: what the user says of it.

    Returns:
        What was installed.

    Raises:
        MissingError: there is no such file.
        WeightsError: it is no graph of a known kind, does not tell all that must be known, does
            not run, or its name is taken.
        OutputError, AccessError: the folder cannot be written.
    """
    if not file.is_file():
        raise MissingError(f"{file} is no file: give the path of an .onnx")
    sha256 = _hash(file)
    spec = own.spec_of(file.absolute(), sha256, told)
    _check_free(spec)
    spec = own.tried(spec)
    with folder.staged(folder.graph_path(spec.name)) as part:
        shutil.copyfile(file, part)
        if _hash(part) != sha256:
            raise WeightsError(f"{file} was changed meanwhile: add it again")
        return _put(spec, part)


def remove(name: str) -> tuple[list[str], dict[str, str]]:
    """Removes a model, or the models of a pack that no other complete pack needs.

    Args:
        name: of an installed model or a pack.

    Returns:
        Names of what was removed, and what was kept with the pack that needs it.

    Raises:
        WeightsError: it is not installed, or comes with FaceGrab.
        OutputError, AccessError: it cannot be removed.
    """
    kept: dict[str, str] = {}
    names = [name]
    if name in registry.PACKS:
        names = [spec.name for spec in wanted(name) if packs.is_installed(spec.name)]
        kept = {each: pack for each in names if (pack := _other_pack(each, name))}
    removed = [each for each in names if each not in kept]
    if name in registry.EMBEDDED[DETECTOR] or (name in registry.PACKS and not wanted(name)):
        raise WeightsError(f"{name} comes with FaceGrab: it cannot be removed")
    if not (kept or any(packs.is_installed(each) for each in removed)):
        raise WeightsError(f"{name!r} is not installed: facegrab models list shows what is")
    for each in removed:
        packs.forget(each)
        for path in (folder.spec_path(each), folder.graph_path(each)):
            with folder.writing(path):
                path.unlink(missing_ok=True)
    return removed, kept


def _check_terms(name: str, specs: Sequence[Spec], accepted: bool) -> None:
    for spec in specs:
        if not (spec.licence.commercial or accepted):
            raise WeightsError(
                f"{spec.name} may not be used commercially ({spec.licence.name}, "
                f"{spec.licence.source}): if you agree to its terms, facegrab models get {name} "
                "--accept-licence"
            )


def _sources(name: str, needed: Sequence[Spec]) -> dict[str, Sequence[Spec]]:
    """Names of the downloads that bring models, and which they bring."""
    if not needed:
        return {}
    if name in registry.DOWNLOADS:
        return {name: needed}
    return {_own_download(spec): [spec] for spec in needed}


def _own_download(spec: Spec) -> str:
    if spec.name in registry.DOWNLOADS:
        return spec.name
    pack = registry.source_of(spec.name)
    if pack is not None:
        raise WeightsError(f"{spec.name} comes with a pack: facegrab models get {pack}")
    raise WeightsError(
        f"{spec.name} has no known address: bring it from {spec.licence.source} and "
        "facegrab models add FILE.onnx"
    )


def _with_hash(name: str, source: Download, sha256: str) -> Download:
    """The download with its hash, which the user has to give where nobody has published it."""
    if sha256 and not packfile.is_sha256(sha256):
        raise WeightsError(f"--sha256 takes 64 hexadecimal digits, not {sha256!r}")
    if sha256 and source.sha256 not in ("", sha256):
        raise WeightsError(f"the SHA-256 of {name} is known to be {source.sha256}: leave --sha256")
    if not (sha256 or source.sha256):
        raise WeightsError(
            f"nobody has published the SHA-256 of {name}, and nothing is installed unchecked: "
            "give it with --sha256, from a source that you trust"
        )
    return replace(source, sha256=sha256 or source.sha256)


def _install(
    source: Download,
    specs: Sequence[Spec],
    file: Path | None,
    timeout_seconds: float,
    progress: Progress,
) -> list[Spec]:
    if file is not None:
        _check_file(file, source)
        return _unpacked(source, specs, file)
    part = folder.models_folder() / f"{source.sha256[:KEY_LENGTH]}{folder.PARTIAL}"
    folder.make_folder(part.parent)
    download.fetch(
        source.addresses,
        source.sha256,
        part,
        most_bytes=download.largest_bytes(source.size_bytes),
        timeout_seconds=timeout_seconds,
        progress=progress,
    )
    installed = _unpacked(source, specs, part)
    with folder.writing(part):
        part.unlink(missing_ok=True)
    return installed


def _check_file(file: Path, source: Download) -> None:
    if not file.is_file():
        raise MissingError(f"{file} is no file")
    if _hash(file) != source.sha256:
        raise WeightsError(
            f"{file} is not the known file, its SHA-256 is not {source.sha256}: download "
            f"{source.addresses[0]} again"
        )


def _unpacked(source: Download, specs: Sequence[Spec], file: Path) -> list[Spec]:
    """Installs models out of a file whose hash was checked."""
    installed = []
    for spec in specs:
        with folder.staged(folder.graph_path(spec.name)) as part:
            if source.members:
                names = source.members[spec.name]
                archive.extract(file, names, part, download.UNKNOWN_LARGEST_BYTES)
                if _hash(part) != spec.sha256:
                    raise WeightsError(f"{names[0]} in {file} is not the known file")
                sha256 = spec.sha256
            else:
                shutil.copyfile(file, part)
                sha256 = source.sha256
            installed.append(_put(own.tried(replace(spec, graph=part, sha256=sha256)), part))
    return installed


def _put(spec: Spec, part: Path) -> Spec:
    """Gives a staged graph its name, and a description."""
    spec = replace(spec, graph=folder.graph_path(spec.name))
    assert spec.graph is not None
    # From here on until the end, an older model of that name counts as damaged, not as this one.
    part.replace(spec.graph)
    folder.put(folder.spec_path(spec.name), packfile.encode(spec))
    return spec


def _check_free(spec: Spec) -> None:
    """Checks that a model of one's own takes no other's name."""
    taken = spec.name in registry.PACKS or any(
        spec.name in embedded for embedded in registry.EMBEDDED.values()
    )
    known = registry.KNOWN.get(spec.name)
    if taken or (known is not None and known.sha256 != spec.sha256):
        raise WeightsError(f"{spec.name} is the name of another model: give yours one with --name")
    if packs.is_installed(spec.name):
        installed = packfile.read(folder.spec_path(spec.name))
        if installed.sha256 != spec.sha256:
            raise WeightsError(
                f"another model called {spec.name} is installed: give yours another --name, or "
                f"facegrab models remove {spec.name}"
            )


def _is_sound(spec: Spec) -> bool:
    """Whether a known model is installed as it should be."""
    if not packs.is_installed(spec.name):
        return False
    try:
        found = packs.installed(spec.name)
    except WeightsError:
        return False
    return spec.sha256 in ("", found.sha256)


def _other_pack(model: str, pack: str) -> str | None:
    """A pack of other models that is complete, and would not be without the model."""
    for other, names in registry.PACKS.items():
        needed = [each for each in names if each in registry.KNOWN]
        different = set(names) != set(registry.PACKS[pack])
        if different and model in needed and all(map(packs.is_installed, needed)):
            return other
    return None


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror or error}") from error
