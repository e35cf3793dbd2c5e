"""A stored file is read once more: its pictures come beside it, and what it left unsaid is counted; once each."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from local.sample_print import make_3mf
from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.embedded.files import EmbeddedFiles
from printpipe.domain.errors import InvalidInput, NotFound
from printpipe.domain.filaments import needed_of
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.ids import NO_KEY
from printpipe.domain.job_records import Consumption, Job
from printpipe.domain.lifecycles import JobStatus
from printpipe.domain.messages import FileEvent
from printpipe.domain.ports.documents import Create, Delete, Query, Update, Version, Write
from printpipe.domain.ports.files import FileMissing, StoredFile
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import SYSTEM
from printpipe.services.context import Context
from printpipe.services.files import contents, files, removal, uploads
from printpipe.services.files.uploads import Incoming, Purpose
from printpipe.services.statistics import counting
from printpipe.services.store.effects import Effect
from printpipe.triggers import file_read
from tests.counted_jobs import ended_job
from tests.farm import Farm
from tests.unit.print_files import samples

PNG = b"\x89PNG\r\n\x1a\n"
UNWEIGHED = samples.MOVES + "; filament_type = PLA\n; filament used [g] = 0.00\n; filament used [mm] = 2000.00\n"


class Bucket(EmbeddedFiles):
    """A bucket at which something happens before each object that is put."""

    before_put: Callable[[str], object] | None = None

    def put(self, name: str, source: BinaryIO, content_type: str) -> StoredFile:
        if self.before_put is not None:
            self.before_put(name)
        return super().put(name, source, content_type)


class Shelf:
    """A farm's files, and the function that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bucket = Bucket(folder / "files", "bucket", base_url="http://127.0.0.1", secret=bytes(32))
        self.farm = Farm(EmbeddedDocuments(folder / "documents.db"), self.bucket)
        self.documents = self.farm.documents

    @property
    def context(self) -> Context:
        return self.farm.context()

    def store(self, content: bytes, name: str = "part.gcode.3mf") -> str:
        purpose, incoming = Purpose(self.farm.site, "product"), Incoming(name, "model/3mf", io.BytesIO(content))
        return uploads.store(self.context, purpose, incoming, NO_KEY).file.file_id

    def file(self, file_id: str) -> StoredPrintFile:
        document = self.documents.get(f"files/{file_id}")
        assert document is not None
        return StoredPrintFile.of(document)

    def read(self, file_id: str, event: str = "event") -> None:
        """The function is told that the file was stored."""
        now, organization = self.farm.now, self.farm.organization
        effect = Effect("trigger-file-read", event, organization, now)
        message = FileEvent(
            event_id=event,
            kind="file_created",
            organization_id=organization,
            occurred_at=now,
            request_id="test",
            file_id=file_id,
            file_name="part.gcode.3mf",
            file_kind="3mf",
            size=1,
        )
        context = replace(self.context, caller=SYSTEM)
        if not effect.done(context):
            file_read.handle(message, effect, context)

    def pictures_there(self) -> int:
        """How many pictures are in the bucket, whoever knows of them."""
        return sum(each.read_bytes().startswith(PNG) for each in (self.folder / "files").rglob("data"))

    def pictures(self, file_id: str) -> list[bytes]:
        found = []
        for name in files.pictures(self.file(file_id)):
            with self.bucket.open(name) as stream:
                found.append(stream.read())
        return found

    def stored_pictures(self, file_id: str) -> list[bool]:
        return [self.bucket.stat(each) is not None for each in files.pictures(self.file(file_id))]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_pictures_come_beside_the_file_and_are_shown_before_and_after(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("two", plates=2, layers=3))
    before = shelf.file(file)
    assert (before.read_at, shelf.stored_pictures(file)) == (None, [False, False])
    shown = contents.preview(shelf.context, file)
    shelf.farm.later(seconds=3)
    shelf.read(file)
    after = shelf.file(file)
    assert after.read_at == shelf.farm.now
    assert after.model_copy(update={"read_at": None}) == before, "the slicer had said everything"
    assert shelf.pictures(file) == [shown, shown]
    assert contents.preview(shelf.context, file) == shown
    folder = before.gcs_path.rpartition("/")[0]
    assert files.pictures(before) == [f"{folder}/plate_1.png", f"{folder}/plate_2.png"]


def test_a_preview_after_the_reading_takes_the_picture_alone(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    shelf.read(file)
    shelf.bucket.delete(shelf.file(file).gcs_path)
    assert contents.preview(shelf.context, file).startswith(PNG)


def test_gcode_has_its_picture_read_as_well(shelf: Shelf) -> None:
    file = shelf.store(samples.ORCA.encode(), "part.gcode")
    assert contents.preview(shelf.context, file) == samples.png(300, 300)
    shelf.read(file)
    assert shelf.pictures(file) == [samples.png(300, 300)]


@pytest.mark.parametrize(
    "picture",
    {
        "another type": b"GIF89a" + bytes(100),
        "a script": b"<svg onload='x'/>" + bytes(100),
        "huge": samples.png(4_096, 1),
        "a bomb": samples.png(8, 8)[:41] + samples.png(2_000, 2_000)[41:],
        "large": samples.png() + samples.noise(1 << 20),
        "cut": samples.png(64, 64)[:-20],
    }.items(),
    ids=lambda each: each[0],
)
def test_a_hostile_picture_is_none(shelf: Shelf, picture: tuple[str, bytes]) -> None:
    file = shelf.store(samples.pack(samples.bambu_parts() | {"Metadata/plate_1.png": picture[1]}))
    shown = [preview(shelf, file)]
    shelf.read(file)
    shown.append(preview(shelf, file))
    assert picture[1] not in shown
    assert shown[0] == shown[1]
    assert shelf.file(file).read_at is not None
    assert all(each == shown[1] for each in shelf.pictures(file))


def preview(shelf: Shelf, file_id: str) -> bytes | None:
    try:
        return contents.preview(shelf.context, file_id)
    except NotFound:
        return None


def test_what_hides_in_a_picture_is_not_stored(shelf: Shelf) -> None:
    parts = samples.bambu_parts() | {"Metadata/plate_1.png": samples.png(64, 64, padding=5_000) + b"<script>"}
    file = shelf.store(samples.pack(parts))
    shelf.read(file)
    assert shelf.pictures(file)[0] == samples.png(64, 64)


def test_told_again_nothing_is_written_again(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    for event in ("event", "event", "another"):
        shelf.read(file, event)
    document = shelf.documents.get(f"files/{file}")
    shelf.read(file, "late")
    assert shelf.documents.get(f"files/{file}") == document
    assert len(shelf.documents.query(Query("processed_events", []))) == 1


def test_a_reading_that_was_cut_off_is_begun_again(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("two", plates=2))

    def fall(name: str) -> None:
        if name.endswith("plate_2.png"):
            raise ConnectionError("killed")

    shelf.bucket.before_put = fall
    with pytest.raises(ConnectionError):
        shelf.read(file)
    assert shelf.stored_pictures(file) == [True, False]
    assert shelf.file(file).read_at is None
    shelf.bucket.before_put = None
    shelf.read(file)
    assert shelf.stored_pictures(file) == [True, True]


def test_what_happens_to_the_file_meanwhile_stands(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    (plate,) = shelf.file(file).plates
    others = {"status": "queued", "plates": [plate.model_copy(update={"name": "lid"}).data()]}
    shelf.bucket.before_put = lambda _: shelf.documents.commit(Update(f"files/{file}", others))
    shelf.read(file)
    after = shelf.file(file)
    assert (after.status, after.plates[0].name, shelf.stored_pictures(file)) == ("queued", "lid", [True])
    assert after.read_at is not None


def test_two_at_once_leave_one_reading(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))

    def another(_: str) -> None:
        shelf.bucket.before_put = None
        shelf.read(file, "other")

    shelf.bucket.before_put = another
    shelf.read(file)
    assert shelf.stored_pictures(file) == [True]


def test_a_file_that_is_deleted_meanwhile_stays_so_and_leaves_no_picture(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("two", plates=2))

    def delete(_: str) -> None:
        shelf.bucket.before_put = None
        removal.remove(shelf.context, file)

    shelf.bucket.before_put = delete
    shelf.read(file)
    assert shelf.file(file).deleted_at is not None
    assert shelf.pictures_there() == 0


def test_a_file_whose_document_goes_meanwhile_leaves_no_picture(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("two", plates=2))
    shelf.bucket.before_put = lambda _: shelf.documents.commit(Delete(f"files/{file}"))
    shelf.read(file)
    assert shelf.documents.get(f"files/{file}") is None
    assert shelf.pictures_there() == 0


def test_a_file_that_was_removed_before_has_nothing_to_read(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    removal.remove(shelf.context, file)
    shelf.read(file)
    assert (shelf.file(file).read_at, shelf.pictures_there()) == (None, 0)
    shelf.read("no-such-file")


def test_a_removed_file_takes_its_pictures_with_it(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("two", plates=2))
    shelf.read(file)
    assert shelf.pictures_there() == 2
    removal.remove(shelf.context, file)
    assert shelf.pictures_there() == 0


def test_a_withdrawn_file_goes_though_it_has_just_been_read(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    shelf.read(file)
    uploads.withdraw(shelf.context, file)
    assert shelf.documents.get(f"files/{file}") is None
    assert shelf.pictures_there() == 0


def test_a_poisoned_file_is_told_of_and_read_once_it_is_back(shelf: Shelf) -> None:
    content = make_3mf("one")
    file = shelf.store(content)
    name = shelf.file(file).gcs_path
    for spoilt, error in ((None, FileMissing), (content[:-40], InvalidInput), (b"G28\n", InvalidInput)):
        shelf.bucket.delete(name)
        if spoilt is not None:
            shelf.bucket.put(name, io.BytesIO(spoilt), "model/3mf")
        with pytest.raises(error):
            shelf.read(file)
        assert shelf.file(file).read_at is None
        assert shelf.stored_pictures(file) == [False]
    shelf.bucket.delete(name)
    shelf.bucket.put(name, io.BytesIO(content), "model/3mf")
    shelf.read(file)
    assert shelf.stored_pictures(file) == [True]


def test_what_we_do_not_read_is_noted_as_read(shelf: Shelf) -> None:
    file = shelf.store(make_3mf("one"))
    shelf.documents.commit(Update(f"files/{file}", {"plates": [], "fileName": "body.stl", "kind": "stl"}))
    shelf.read(file)
    assert shelf.file(file).read_at is not None
    assert shelf.pictures_there() == 0


def test_weights_that_the_slicer_did_not_know_are_counted(shelf: Shelf) -> None:
    file = shelf.store(UNWEIGHED.encode(), "part.gcode")
    (before,) = shelf.file(file).plates
    shelf.read(file)
    (after,) = shelf.file(file).plates
    assert not before.weight_g
    assert (after.weight_g, after.filament[0].used_g, after.filament[0].used_m) == (5.965, 5.965, 2.0)
    assert needed_of(after, ()) == needed_of(before, ())


def ended(shelf: Shelf, file_id: str, **more: Any) -> str:
    now = shelf.farm.now
    job = ended_job(shelf.farm.organization, now, file_id=file_id, created_at=now - timedelta(hours=1), **more)
    shelf.documents.commit(Create(f"print_jobs/{job.job_id}", job.data()))
    return job.job_id


def milligrams(shelf: Shelf, job_id: str) -> int | None:
    consumption = shelf.farm.job(job_id).consumption
    return consumption.milligrams if consumption else None


def test_a_job_that_ended_before_is_counted_anew(shelf: Shelf) -> None:
    file = shelf.store(UNWEIGHED.encode(), "part.gcode")
    known = Consumption(material="PLA", milligrams=7)
    job, weighed = ended(shelf, file), ended(shelf, file, consumption=known)
    for each in (job, weighed):
        counting.count(shelf.context, each)
    assert not milligrams(shelf, job)
    shelf.read(file)
    for each in (job, weighed):
        counting.count(shelf.context, each)
    assert (milligrams(shelf, job), milligrams(shelf, weighed)) == (5_965, 7)
    used = sum(each.data["counts"]["milligrams"] for each in shelf.documents.query(Query("statistics", [])))
    assert used == 5_965 + 7


def test_a_job_that_is_counted_at_the_same_time_is_not_lost(shelf: Shelf) -> None:
    file = shelf.store(UNWEIGHED.encode(), "part.gcode")
    job = ended(shelf, file)
    shelf.farm.later(seconds=1)

    class ReadMeanwhile(EmbeddedDocuments):
        """A store in which the file is read just before the first count is written."""

        waiting = True

        def commit(self, *writes: Write) -> list[Version]:
            if self.waiting:
                self.waiting = False
                shelf.read(file)
            return super().commit(*writes)

    meanwhile = ReadMeanwhile(shelf.folder / "documents.db")
    ports = replace(cast(Any, shelf.context.platform), documents=meanwhile)
    counting.count(replace(shelf.context, platform=cast(Platform, ports)), job)
    assert milligrams(shelf, job) == 5_965


def test_an_unended_job_is_left_alone(shelf: Shelf) -> None:
    file = shelf.store(UNWEIGHED.encode(), "part.gcode")
    before = Job.of(cast(Any, shelf.documents.get(f"print_jobs/{file}")))
    assert before.status == JobStatus.HELD
    shelf.read(file)
    assert shelf.farm.job(file) == before
