"""GET /fetch/{fetchToken}: gives a file out, once; the token is the credential."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.endpoints.call import Call
from printpipe.services.files import tickets


class Path(cloud.Model):
    """The path's parameters."""

    fetch_token: str


class Arguments(cloud.Model):
    """The query."""

    mode: Literal["full", "metadata"] = "full"


class Attached(cloud.Part):
    """What the file's sender attached; `encryptedData` in clear."""

    encrypted_data: str | None
    unencrypted_data: str | None


class Reply(cloud.Reply):
    """The file. `data` (base64) is null above 22 MiB; `downloadUrl` serves a file of any size for a while."""

    file_id: str
    recipient_id: str
    product_id: str
    fetch_token: str
    data: str | None
    download_url: str | None
    file_name: str
    size: int
    sha256: str
    md5: str
    metadata: Attached


def get(call: Call, path: Path, query: Arguments) -> Reply:
    """Uses the token up."""
    fetched = tickets.fetch(call.context, path.fetch_token, metadata_only=query.mode == "metadata")
    file = fetched.file
    return Reply(
        file_id=file.file_id,
        recipient_id=file.recipient_id,
        product_id=file.product_id,
        fetch_token=path.fetch_token,
        data=fetched.data,
        download_url=fetched.download_url,
        file_name=file.file_name,
        size=file.size,
        sha256=file.sha256,
        md5=file.md5,
        metadata=Attached(encrypted_data=fetched.encrypted_data, unencrypted_data=file.unencrypted_data),
    )
