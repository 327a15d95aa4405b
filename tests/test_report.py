"""The report as a file: what it says, whom it trusts, what it leaves alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from clips import another
from fakes import query
from reports import EVERY_SECONDS, SETTINGS, TRACK, Page, write_folder
from stores import change

from facegrab.cli import main
from facegrab.errors import MissingError, OutputError, StoreError
from facegrab.summary import Summary
from facegrab.view.pages import PER_PAGE
from facegrab.view.report import MARK, write_report
from facegrab.vision.look import Eyes

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "a' onmouseover='alert(3)",
    "line\nbreak\ttab",
    "\u202efdp.exe\u202c\u200f",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&amp;",
    "javascript:alert(4)#t=1?x",
    "-->]]><!--",
]
RUN = ["-sf", "0", "-xs", "64", "-s", "0.5", "-j", "1"]
ADDRESSES = ("href", "src", "srcset", "action", "poster", "data", "formaction", "background")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "out")


def written(folder: Path) -> Page:
    return Page.of(write_report(folder).path)


class TestWords:
    def test_what_became_of_the_faces(self, folder: Path) -> None:
        text = written(folder).text
        assert "36 faces of the person asked for, in 1 video" in text
        assert "60 faces seen" in text
        assert "Not written: 20 of other people, 4 blurred." in text
        assert "The person is on screen for about 9.0 s." in text  # 4 tracks of 9
        assert "4 extracts are less certain" in text

    def test_settings_and_licences(self, folder: Path) -> None:
        text = written(folder).text
        assert "blur_threshold 10 " in text
        assert "recogniser hue: CC0-1.0" in text

    def test_what_the_run_told(self, folder: Path) -> None:
        summary = Summary(computed="an abacus", warnings=["a.mp4: late"], interrupted=True)
        summary.seconds = {"all": 63.2, "decode": 31.6}
        page = Page.of(write_report(folder, summary=summary).path)
        for words in ("an abacus", "a.mp4: late", "decoding 31.6 s", "1 min 3 s", "numpy"):
            assert words in page.text
        assert "The run was stopped before its end" in page.text

    def test_it_is_kept_where_the_index_has_room(self, folder: Path) -> None:
        first = write_report(folder, summary=Summary(seconds={"all": 63.2})).path.read_bytes()
        assert b"1 min 3 s" in first
        assert write_report(folder).path.read_bytes() == first

    @pytest.mark.parametrize(
        "value", ["nonsense", "[]", '{"seconds": [1], "warnings": 3, "versions": 0}',
                  '{"seconds": {"all": "x", "decode": 1e999}}', "[" * 9999]
    )  # fmt: skip
    def test_nonsense_is_not_believed(self, folder: Path, value: str) -> None:
        change(folder / "facegrab.db", f"INSERT OR REPLACE INTO told VALUES ('summary', '{value}')")
        assert "It was not noted." in written(folder).text

    def test_videos_without_the_person_do_not_stand_in_the_way(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out", films=["/a.mp4", "/b.mp4", "/c.mp4"])
        change(
            folder / "facegrab.db",
            "DELETE FROM extract WHERE source > 1;"
            "UPDATE outcome SET dropped = 'other person' WHERE source > 1",
        )
        page = written(folder)
        assert "Only other people are seen in 2 of the sources" in page.text
        assert "open" not in page.all("details")[0]
        regions = [each.get("aria-label", "") for _, each in page.elements]
        assert [each for each in regions if each.startswith("Timeline of")] == [
            f"Timeline of {name}.mp4" for name in "abc"
        ]

    def test_nobody_found(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out", 0)
        text = written(folder).text
        assert "0 faces of the person asked for" in text
        assert "No face was seen." in text

    def test_everybody_is_wanted(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out", settings={**SETTINGS, "references": "*"})
        change(folder / "facegrab.db", "UPDATE outcome SET distance = NULL")
        text = written(folder).text
        assert "faces of everybody" in text
        assert "Nobody was compared with anybody." in text


class TestLinks:
    def test_every_picture_leads_to_its_time(self, folder: Path) -> None:
        page = written(folder)
        moments = [each["href"] for each in page.all("a") if "file" not in each.get("class", "")]
        for face, file in query(folder, "SELECT frame / 7, file FROM extract"):
            film = f"/films/a%20film.mp4#t={face * EVERY_SECONDS:g}"
            assert any(each.endswith(film) for each in moments)
            assert file in {each["src"] for each in page.all("img")}

    def test_relative_ones_lead_there(self, tmp_path: Path) -> None:
        film = tmp_path / "films" / "100% é #1?.mp4"
        film.parent.mkdir()
        film.write_bytes(b"")
        page = written(write_folder(tmp_path / "out", films=[str(film)]))
        link = next(each["href"] for each in page.all("a") if "#t=" in each.get("href", ""))
        assert link.isascii()
        path, _, fragment = link.partition("#")
        assert fragment == "t=2.25"  # of the blurred face, which no extract can show
        assert (tmp_path / "out" / unquote(path)).resolve() == film

    def test_pictures_lead_to_themselves(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "out", films=["/photos"])
        change(folder / "facegrab.db", "UPDATE face SET picture = '/photos/' || frame || '.jpg'")
        page = written(folder)
        links = [each["href"] for each in page.all("a") if "/photos/" in each.get("href", "")]
        assert any(each.endswith("/photos/7.jpg") for each in links)
        assert not any("#t=" in each["href"] for each in page.all("a"))
        assert "1 source of pictures" in page.text
        assert "on screen for about" not in page.text

    def test_anchors_are_there_once(self, folder: Path) -> None:
        page = written(folder)
        names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(names) == len(set(names))
        for each in page.all("a"):
            if each["href"].startswith("#"):
                assert each["href"][1:] in names

    def test_another_place_for_the_page(self, folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "elsewhere" / "page.html"
        target.parent.mkdir()
        page = Page.of(write_report(folder, target).path)
        for each in page.all("img"):
            assert (target.parent / each["src"]).is_file()
        assert not (folder / "index.html").exists()


class TestHostileNames:
    @pytest.fixture
    def page(self, tmp_path: Path) -> Page:
        """Names of sources, people, extracts, reasons, settings and warnings, all hostile."""
        films = [f"/films/{name.replace('/', '|')}.mp4" for name in HOSTILE]
        folder = write_folder(tmp_path / "out", films=films)
        for number, name in enumerate(HOSTILE):
            quoted = name.replace("'", "''")
            value = json.dumps(name).replace("'", "''")
            change(
                folder / "facegrab.db",
                f"UPDATE outcome SET person = '{quoted}' WHERE source = {number + 1};"
                f"UPDATE outcome SET dropped = '{quoted}' WHERE source = {number + 1}"
                " AND dropped = 'blurred';"
                f"UPDATE extract SET file = '{number}{quoted}.png'"
                f" WHERE rowid = (SELECT min(rowid) FROM extract WHERE source = {number + 1});"
                f"INSERT INTO run VALUES ('{quoted}', '{value}')",
            )
        summary = Summary(computed=HOSTILE[0], warnings=HOSTILE, licences=HOSTILE)
        summary.failed = [(Path(name), name) for name in HOSTILE]
        summary.seconds = dict.fromkeys(HOSTILE, 1.0)
        return Page.of(write_report(folder, summary=summary).path)

    def test_they_are_words(self, page: Page) -> None:
        assert len(page.all("script")) == 1
        for tag, attributes in page.elements:
            assert tag not in ("iframe", "object", "embed", "base", "form")
            assert not [name for name in attributes if name.startswith("on")]
        assert all(set(each) <= {"src", "alt", "width", "height", "loading", "decoding"}
                   for each in page.all("img"))  # fmt: skip
        for name in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[5], HOSTILE[6], HOSTILE[8]):
            assert name in page.text

    def test_no_address_obeys_them(self, page: Page) -> None:
        for _, attributes in page.elements:
            for name in ADDRESSES:
                address = attributes.get(name, "")
                assert ":" not in address
                assert not address.startswith("//")

    def test_none_turns_the_writing(self, page: Page) -> None:
        for words in (*page.words, *(each for _, all_ in page.elements for each in all_.values())):
            assert all(letter.isprintable() or letter == "\n" for letter in words)
            assert "line\n" not in words
        assert "\\u202efdp.exe\\u202c\\u200f" in page.text
        assert "line\\nbreak\\ttab" in page.text

    def test_people_keep_their_extracts_apart(self, page: Page) -> None:
        assert page.text.count("9.0 s.") == len(HOSTILE)


def test_files_outside_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    change(folder / "facegrab.db", "UPDATE extract SET file = '../secret.png' WHERE rowid = 1")
    page = written(folder)
    assert not [each for _, all_ in page.elements for each in all_.values() if "secret" in each]


def test_nothing_is_asked_of_a_network(folder: Path) -> None:
    html = write_report(folder).path.read_text("utf-8")
    assert "//" not in Page(html).text
    for _, attributes in Page(html).elements:
        for name in ADDRESSES:
            assert not attributes.get(name, "").startswith(("http", "//", "ftp"))
    assert "@import" not in html
    assert "url(" not in html
    assert {each.get("rel") for each in Page(html).all("link")} <= {None}


class TestKeyboardAndWords:
    def test_every_picture_has_words(self, folder: Path) -> None:
        page = written(folder)
        for each in page.all("img"):
            assert each["alt"].startswith("the person at 0:")
            assert "distance" in each["alt"]
        for each in page.all("svg"):
            assert each["role"] == "img"
            assert each["aria-label"]

    def test_all_can_be_reached(self, folder: Path) -> None:
        page = written(folder)
        assert all(each["href"] for each in page.all("a"))
        scrolled = [each for _, each in page.elements if "scroll" in each.get("class", "").split()]
        assert scrolled
        assert all(each["tabindex"] == "0" and each["aria-label"] for each in scrolled)
        spans = [each for each in page.all("a") if each.get("class", "").startswith("span")]
        assert spans
        assert all(each["aria-label"] for each in spans)
        assert page.all("html")[0]["lang"] == "en"

    def test_zoom_needs_no_script(self, folder: Path) -> None:
        radios = [each for each in written(folder).all("input") if each["type"] == "radio"]
        assert [each["class"] for each in radios] == ["z1", "z4", "z16"]
        assert "checked" in radios[0]


class TestFiles:
    def test_the_same_folder_gives_the_same_bytes(self, folder: Path) -> None:
        first = write_report(folder).path.read_bytes()
        assert write_report(folder).path.read_bytes() == first

    def test_deleted_extracts_are_named_as_missing(self, folder: Path) -> None:
        gone = query(folder, "SELECT file FROM extract LIMIT 1")[0][0]
        (folder / gone).unlink()
        page = written(folder)
        assert gone not in {each["src"] for each in page.all("img")}
        missing = [each for each in page.all("span") if each.get("class") == "missing"]
        assert "the file is missing" in missing[0]["aria-label"]

    def test_somebody_elses_page_stays(self, folder: Path) -> None:
        page = folder / "index.html"
        page.write_text("<h1>My faces</h1>")
        with pytest.raises(OutputError, match=r"is not FaceGrab's.*-o FILE"):
            write_report(folder)
        assert page.read_text() == "<h1>My faces</h1>"

    def test_of_later_pages_too(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = folder / "index-2.html"
        mine.write_text("mine")
        write_report(folder)
        assert mine.read_text() == "mine"
        monkeypatch.setattr("facegrab.view.content.PER_PAGE", 20)
        with pytest.raises(OutputError, match="index-2"):
            write_report(folder)
        assert mine.read_text() == "mine"

    def test_pages_that_are_too_many_go(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("facegrab.view.content.PER_PAGE", 10)
            assert write_report(folder).pages == 4
        assert len(list(folder.glob("index-*.html"))) == 3
        assert write_report(folder).pages == 1
        assert not list(folder.glob("index-*.html"))

    def test_one_file(self, folder: Path) -> None:
        page = Page.of(write_report(folder, embed=True).path)
        assert len(page.all("img")) == 36 + 24
        assert all(each["src"].startswith("data:image/jpeg;base64,") for each in page.all("img"))
        assert not [each for each in page.all("a") if each["href"].endswith(".png")]

    def test_what_is_no_image_is_not_embedded(self, folder: Path) -> None:
        name = query(folder, "SELECT file FROM extract LIMIT 1")[0][0]
        (folder / name).unlink()
        (folder / name).write_bytes(b"no image")
        page = Page.of(write_report(folder, embed=True).path)
        assert [each for each in page.all("span") if each.get("class") == "missing"]

    def test_damage_is_told(self, folder: Path) -> None:
        change(folder / "facegrab.db", "UPDATE face SET sharpness = 'x'")
        with pytest.raises(StoreError, match="is damaged"):
            write_report(folder)
        assert not (folder / "index.html").exists()

    def test_no_answers(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match="holds no index"):
            write_report(tmp_path)


class TestMany:
    @pytest.mark.parametrize("count", [5_000, 20_000])
    def test_on_pages(self, tmp_path: Path, count: int) -> None:
        films = [f"/{each}.mp4" for each in range(4)]
        folder = write_folder(tmp_path / "out", count // 4 * 5 // 3 + TRACK, films)
        start = time.process_time()
        report = write_report(folder)
        assert time.process_time() - start < 10  # a second: a busy machine may take some more
        assert report.extracts >= count
        assert report.pages == -(-report.extracts // PER_PAGE)
        links: list[str] = []
        for path in [report.path, *sorted(folder.glob("index-*.html"))]:
            assert path.stat().st_size < 3_000_000
            assert MARK in path.read_text("utf-8")[:200]
            page = Page.of(path)
            links += [each["href"] for each in page.all("a") if each.get("class") == "file"]
            assert "lazy" in {each["loading"] for each in page.all("img")}
        extracts = {file for (file,) in query(folder, "SELECT file FROM extract")}
        assert set(links) == extracts

    def test_spans_lead_to_the_right_page(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("facegrab.view.content.PER_PAGE", 10)
        page = written(folder)
        spans = [each["href"] for each in page.all("a") if each.get("class") == "span kept"]
        assert spans[:1] == ["#p0-s1-t0"]
        for name, _, anchor in (each.partition("#") for each in spans):
            there = Page.of(folder / (name or "index.html"))
            assert anchor in {attributes.get("id") for _, attributes in there.elements}


class TestCommands:
    def test_a_run_writes_it(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        out = tmp_path / "out"
        assert main(["-r", str(red), "-i", str(clip), "-o", str(out), *RUN]) == 0
        assert "index.html" in capsys.readouterr().out
        text = Page.of(out / "index.html").text
        assert "20 faces of the person asked for" in text
        assert "the whole run" in text
        assert "painted" in text

    def test_that_of_a_shared_index_too(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes
    ) -> None:
        out, library = tmp_path / "out", tmp_path / "library.db"
        arguments = ["-r", str(red), "-i", str(clip), "-o", str(out), "--index", str(library)]
        assert main([*arguments, *RUN]) == 0
        assert "20 faces of the person asked for" in Page.of(out / "index.html").text
        library.unlink()
        with pytest.raises(MissingError, match=r"library\.db, which is gone"):
            write_report(out)
        assert not library.exists()

    def test_a_page_that_cannot_be_written_is_no_failure(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        out = tmp_path / "out"
        out.mkdir()
        (out / "index.html").write_text("mine")
        assert main(["-r", str(red), "-i", str(clip), "-o", str(out), *RUN]) == 0
        assert "warning: no report:" in capsys.readouterr().out
        assert (out / "index.html").read_text() == "mine"

    def test_made_anew(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report", str(folder)]) == 0
        assert capsys.readouterr().out == f"{folder / 'index.html'}: 36 extracts\n"
        page = folder / "sent.html"
        assert main(["report", str(folder), "--embed", "-o", str(page)]) == 0
        assert "data:image/jpeg" in page.read_text()

    def test_of_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report", str(tmp_path / "none")]) == 1
        assert capsys.readouterr().err.startswith("facegrab: ")

    def test_elsewhere_than_the_extracts_of_a_bucket(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It would lead to files that are no images."""
        page = tmp_path / "page.html"
        assert main(["report", "s3://bucket/out", "-o", str(page)]) == 1
        assert "add --embed, or leave -o out" in capsys.readouterr().err
        assert not page.exists()

    def test_what_is_forgotten_leaves_it(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes
    ) -> None:
        out = tmp_path / "out"
        other = another(clip, tmp_path / "other.mp4")
        assert main(["-r", str(red), "-i", str(clip), str(other), "-o", str(out), *RUN]) == 0
        assert "other.mp4" in (out / "index.html").read_text("utf-8")
        assert main(["index", "forget", str(out), "other.mp4"]) == 0
        assert "other.mp4" not in (out / "index.html").read_text("utf-8")
