"""GET /fetch/{fetchToken}: gives a file out, once; the token is the credential."""

from typing import Literal

from printpipe.dialects import cloud
from printpipe.dialects.exchange import Answer
from printpipe.endpoints.call import Call
from printpipe.services import files


class Arguments(cloud.Model):
    """The query."""

    mode: Literal["full", "metadata"] = "full"


def handle(call: Call) -> Answer:
    """Uses the token up. `data` is null above 22 MiB; `downloadUrl` serves a file of any size for a while."""
    token = call.request.params["fetchToken"]
    mode = call.request.arguments(Arguments).mode
    fetched = files.fetch(call.context, token, metadata_only=mode == "metadata")
    file = fetched.file
    return cloud.success(
        fileId=file.file_id,
        recipientId=file.recipient_id,
        productId=file.product_id,
        fetchToken=token,
        data=fetched.data,
        downloadUrl=fetched.download_url,
        fileName=file.file_name,
        size=file.size,
        sha256=file.sha256,
        md5=file.md5,
        metadata={"encryptedData": fetched.encrypted_data, "unencryptedData": file.unencrypted_data},
    )
