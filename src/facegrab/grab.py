"""The conductor: references, settings, networks; one call a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from facegrab.choice import Opener, PathName, choice_of, listed
from facegrab.early import Early
from facegrab.errors import FaceGrabError, MissingError, SettingError, StoreError
from facegrab.media.content import content_key
from facegrab.media.source import Source, find_sources
from facegrab.media.without import without
from facegrab.onlook import Onlooker
from facegrab.people.evidence import Evidence
from facegrab.people.gallery import Gallery, GalleryStats
from facegrab.people.judge import Asked, Person
from facegrab.people.references import load
from facegrab.people.who import collect_others, collect_people
from facegrab.question import Question
from facegrab.remembered import to_json
from facegrab.request import request_of, result_settings
from facegrab.run import Run
from facegrab.settings import AUTO, RAY, ProcessSettings, RecognitionSettings
from facegrab.store import picked
from facegrab.store.files import as_text, real_path
from facegrab.store.output import Output
from facegrab.summary import Nobody, Summary, Watcher
from facegrab.task import Orders
from facegrab.vision.look import Eyes

if TYPE_CHECKING:
    from facegrab.again import Again

ADVICE = "; facegrab models get yunet: finds more of the dark and turned faces"
"""In 40 frames of a concert YuNet finds 71 faces of 64 px and more where MTCNN finds 56."""


References: TypeAlias = PathName | Sequence[PathName]


class FaceGrab:
    """Finds people's faces in videos and pictures and writes aligned images of them.

    Args:
        reference: an image, a folder of images, an ``.npz`` saved earlier, several of these (all
            of one person), or ``"*"`` for every face; of several people, the same by their names,
            each of whom gets a folder.
        recognition: how faces are compared.
        process: how sources are read and what is written.
        others: pictures of people it is not: a face that is nearer to one of them is refused. Of a
            folder that holds sub-folders only, each of these is a person.
        eyes: the networks; by default those of the settings, loaded when first needed.

    Raises:
        MissingError, AccessError: a reference names nothing or may not be read.
        GalleryError: no usable face in any reference, two people with the same one, or others that
            show a person asked for.
        SettingError: an unknown alignment, what the models cannot do, or a name that no folder can
            have.
        WeightsError, DeviceError: the networks cannot be loaded, or their licence is not what was
            asked for.
    """

    def __init__(
        self,
        reference: References | Mapping[str, References],
        recognition: RecognitionSettings | None = None,
        process: ProcessSettings | None = None,
        *,
        others: References = (),
        eyes: Eyes | None = None,
    ) -> None:
        self._recognition = recognition or RecognitionSettings()
        self._process = process or ProcessSettings()
        choice = self._choice = choice_of(self._recognition, self._process, eyes)
        self._eyes = eyes
        look = self._look = Opener(choice, self._process, eyes)
        references = reference if isinstance(reference, Mapping) else {"": reference}
        how = (self._recognition.jitter, look, choice.recogniser, choice.tolerance)
        self._people = collect_people(
            {name: listed(paths) for name, paths in references.items()}, *how
        )
        self._others = collect_others(listed(others), self._people, *how)
        if self._others and not self._people:
            raise SettingError("* stands for every face: leave out those whom it is not")
        if self._recognition.group and self._people:
            raise SettingError("group sorts people who are not known: give * as the reference")
        if self._recognition.grow and (not self._people or self._recognition.tolerance != AUTO):
            raise SettingError("grow takes the surest faces: it needs references and no tolerance")
        if self._recognition.grow and self._process.forget_others:
            # Whoever stands beside tells look-alikes apart: forgotten, they would be let in later.
            raise SettingError(
                "grow decides by all faces each time: leave out forget_others, or use facegrab "
                "index forget when all is asked"
            )

    @property
    def reference_count(self) -> int:
        """References loaded; 0 means that every face is wanted."""
        return sum(len(each.gallery) for each in self._people)

    @property
    def people(self) -> tuple[str, ...]:
        """Names of the people asked for; one without a name is ""."""
        return tuple(each.name for each in self._people)

    @property
    def models(self) -> str:
        """The models in words, and what a better detector would gain."""
        choice = self._choice
        words = f"detector {choice.detector.name}, recogniser {choice.recogniser.name}"
        return words + ADVICE if choice.detector.name == "mtcnn" else words

    def stats(self, name: str = "") -> GalleryStats:
        """How well a person's references agree; ``print`` it.

        Args:
            name: of the person, where several are asked for.

        Raises:
            SettingError: nobody of that name is asked for.
        """
        return self._gallery(name).stats()

    def save(self, path: PathName, name: str = "") -> Path:
        """Writes a person's references as an ``.npz`` (the suffix is added if it is missing).

        Args:
            path: of the file.
            name: of the person, where several are asked for.

        Returns:
            the path written.

        Raises:
            SettingError: nobody of that name is asked for.
            OutputError, AccessError: it cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".npz":
            target = target.with_name(f"{target.name}.npz")
        self._gallery(name).save(target)
        return target

    def load(self, path: PathName) -> None:
        """Takes the references of an ``.npz``, of one person, instead of those loaded.

        Raises:
            GalleryError, MissingError, AccessError: it is no reference file, or another
                recogniser's whose pictures are gone.
        """
        gallery = load(Path(path), self._recognition.jitter, self._look, self._choice.recogniser)
        self._people = (Person("", gallery),)

    def _gallery(self, name: str) -> Gallery:
        for each in self._people:
            if each.name == name:
                return each.gallery
        if not self._people:
            return Gallery.empty(self._choice.recogniser)
        names = ", ".join(each.name for each in self._people)
        raise SettingError(f"which person: {names}?")

    def _again(self, evidence: Evidence) -> Again | None:
        if not (self._recognition.group or self._recognition.grow):
            return None
        from facegrab.again import Grouped, Grown  # for those who ask for it

        spec = self._choice.recogniser
        if self._recognition.group:
            return Grouped(spec.key, spec.metric, self._choice.tolerance, evidence)
        return Grown(self._asked, evidence)

    @property
    def _asked(self) -> Asked:
        return Asked(
            self._people,
            self._others,
            self._choice.tolerance,
            self._choice.recogniser.metric,
            by_tolerance=self._recognition.tolerance != AUTO,
            per_frame=self._recognition.per_frame,
        )

    def process(
        self,
        source: PathName | Sequence[PathName],
        output: PathName = ".",
        *,
        index: PathName | None = None,
        watcher: Watcher | None = None,
        early: Early | None = None,
        onlooker: Onlooker | None = None,
        committed: Callable[[Output], object] | None = None,
        bucket: str | None = None,
    ) -> Summary:
        """Writes the people's faces out of videos and pictures into a folder.

        Args:
            source: a video, an image, an image pattern, a folder, a glob, or several of these.
            output: folder for the extracts, the index and the table; made if missing. Or one
                in a bucket, ``s3://bucket/folder``: the run works in a folder in the cache, and
                sends what is in that.
            index: the index of what is seen, where it is not to lie in the output folder: that of
                another run, or one that several share. What it holds is not looked at again.
            watcher: is told how it goes.
            early: may have the first source open already, decoded while the networks loaded.
            onlooker: is shown the frames and the extracts.
            committed: is called whenever something is in place, with the folder.
            bucket: ``s3://bucket/folder`` into which workers of a cluster put extracts themselves;
                files that stand for these are then in the folder, which is Mirror's.

        Returns:
            what was done. Ctrl-C ends the run early and is noted there; of several sources, those
            that could not be read are named there.

        Raises:
            MissingError, AccessError, MediaError: none of the sources can be read.
            OutputError, AccessError: the output cannot be written; what is done is kept.
            StoreError: the folder holds another run's result, or groups of sources that are not
                given this time, or the index is damaged or in use.
            SettingError: others are to be forgotten in an index that is not the folder's own.
        """
        if str(output).lower().startswith("s3://"):
            from facegrab.copying import Copies  # most runs write into a folder
            from facegrab.mirror import Mirror, check_apart

            check_apart(str(output), listed(source))
            away = self._process.engine == RAY
            copies = Copies(str(output), self._process.address) if away else None
            sent = Mirror(str(output), away=away, copies=copies)
            told = [sent.follow, *([committed] if committed else [])]
            summary = self.process(
                source,
                sent.folder,
                index=index,
                watcher=watcher,
                early=early,
                onlooker=onlooker,
                committed=lambda folder: [each(folder) for each in told],
                bucket=sent.address if away else None,
            )
            sent.finish()
            return summary
        sources = find_sources(listed(source))
        settings = result_settings(self._choice, self._asked, self._recognition, self._process)
        library = None if index is None else Path(index)
        if library is not None and self._process.forget_others:
            raise SettingError(
                "forget_others would take other questions' answers out of the index: leave it "
                "out, or use facegrab index forget when all is asked"
            )
        kept = onlooker.keep if onlooker else None
        question = to_json(self._asked, self._choice, self._recognition, self._process)
        with Output(Path(output), settings, library, kept, question, committed) as folder:
            if onlooker:
                onlooker.ask(self._asked, folder.folder)
            sources = _without_extracts(sources, folder)
            if self._process.shard is not None:
                from facegrab.shard import Shard  # most runs are no share
                from facegrab.sharding import own, share, unknown

                asked = request_of(self._choice, self._process)
                new = unknown(sources, folder, asked)
                if new:
                    orders = Orders(self._process, self._recognition, eyes=self._eyes)
                    return share(
                        self._look, asked, self._process, folder, watcher or Nobody(), orders, new
                    )
                sources = own(sources, Shard.of(self._process.shard))
            if self._recognition.group:
                _check_all_there(sources, folder)
            evidence = Evidence(folder.reviews(), self._choice.recogniser.key)
            run = Run(
                self._look,
                Question(self._asked, self._choice, self._process, evidence),
                self._choice,
                self._process,
                folder,
                watcher or Nobody(),
                early,
                Orders(
                    self._process,
                    self._recognition,
                    self._asked,
                    folder.folder,
                    self._eyes,
                    bucket,
                ),
                self._again(evidence),
                onlooker,
            )
            return run.over(sources)


def _without_extracts(sources: Sequence[Source], folder: Output) -> list[Source]:
    """The sources less what earlier runs wrote: the output may lie in the folder that is read."""
    written = folder.extracts() | picked.files(folder.folder)
    kept = without(sources, folder.folder, written)
    if not kept:
        raise MissingError(f"{folder.folder} holds nothing but what an earlier run wrote")
    return kept


def _check_all_there(sources: Sequence[Source], folder: Output) -> None:
    """Refuses groups of some sources beside those of others: both would have a person-1."""
    finished = folder.finished()
    for source in sources:
        with suppress(FaceGrabError):  # the run will tell
            finished.pop(content_key(source), None)
    paths = {as_text(real_path(source.path)) for source in sources}
    for path in finished.values():
        if path not in paths:
            raise StoreError(
                f"{folder.folder} holds the people of {path}, too: give it again, which costs "
                "next to nothing, or choose another output folder"
            )
