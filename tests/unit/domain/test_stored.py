"""Documents say which version of their record wrote them; that one and the one before are read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from printpipe.domain.file_records import Plate, StoredPrintFile
from printpipe.domain.job_records import Claim
from printpipe.domain.ports.documents import Document, Version
from printpipe.domain.records import Stored, UnknownSchema
from printpipe.domain.tenant_records import ApiKey
from tools.indexes import stored_records

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Lamp(Stored):
    """Something that is stored, in its second version: it had its power in one field with the unit."""

    schema_version: ClassVar[int] = 2
    name: str
    watts: int

    @classmethod
    def upgraded(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The number alone, where that has not been done yet."""
        return data if "watts" in data else {**data, "watts": int(data["power"].removesuffix(" W"))}


def lamp(**data: Any) -> Document:
    return Document("lamps/desk", {"name": "desk", **data}, Version("1"))


def test_what_is_written_says_its_version() -> None:
    assert Lamp(name="desk", watts=7).data() == {"name": "desk", "watts": 7, "schemaVersion": 2}
    claim = Claim(job_id="job-1", run=1, claimed_by="agent", claimed_at=NOW)
    assert claim.data()["schemaVersion"] == 1
    assert claim.fields(["run"]) == {"run": 1}


def test_parts_of_a_document_have_none_of_their_own() -> None:
    assert "schemaVersion" not in Plate(index=1).data()
    file = StoredPrintFile(
        file_id="file-1",
        organization_id="org-1",
        recipient_id="site-1",
        product_id="product",
        file_name="a.3mf",
        gcs_bucket="bucket",
        gcs_path="files/x/print.3mf",
        content_type="model/3mf",
        created_at=NOW,
        status="uploaded",
        size=1,
        sha256="",
        md5="",
        fetch_token="",
        fetch_token_expiry=NOW,
        kind="3mf",
        plates=(Plate(index=1),),
    ).data()
    assert file["schemaVersion"] == 1
    assert "schemaVersion" not in file["plates"][0]


def test_this_version_and_the_one_before_are_read() -> None:
    desk = Lamp(name="desk", watts=7)
    assert Lamp.of(lamp(watts=7, schemaVersion=2)) == desk
    assert Lamp.of(lamp(power="7 W", schemaVersion=1)) == desk
    assert Lamp.of(lamp(power="6 W", watts=7, schemaVersion=1)) == desk, "a field that was written since counts"


@pytest.mark.parametrize("version", [3, 17, 0])
def test_no_other_version_is_guessed_at(version: int) -> None:
    with pytest.raises(UnknownSchema, match=rf"lamps/desk is of version {version}: 1 and 2 are read"):
        Lamp.of(lamp(watts=7, schemaVersion=version))


def test_a_document_without_a_version_is_of_the_first() -> None:
    data = {"jobId": "job-1", "run": 1, "claimedBy": "agent", "claimedAt": NOW}
    assert Claim.of(Document("claims/job-1_1", data, Version("1"))).run == 1
    with pytest.raises(UnknownSchema):
        Lamp.of(lamp(watts=7))


def test_a_newer_key_is_no_key_that_can_be_read() -> None:
    key = {"organizationId": "org-1", "scopes": ["*"], "createdAt": NOW, "schemaVersion": 2}
    with pytest.raises(UnknownSchema):
        ApiKey.of(Document("api_keys/0123", key, Version("1")))


def test_every_record_with_a_collection_says_its_version() -> None:
    assert [record.__name__ for _, record in stored_records() if not issubclass(record, Stored)] == []
