"""The Firestore emulator's trigger events, made into those that production sends.

The emulator sends base64 text where production sends the protobuf itself, doubles `projects/` in the source, leaves
the update mask empty, fires for writes that change nothing, and invents a `created` for the delete of a document that
was not there.
"""

import base64
from collections.abc import Iterator
from email.message import Message
from typing import Any

from google.events.cloud.firestore import DocumentEventData

from local.deliveries import Event


def mend(function: str, headers: "Message[str, str]", body: bytes) -> Event | None:
    """The event as production would send it, or None where production would send nothing."""
    data = DocumentEventData()
    data._pb.ParseFromString(base64.b64decode(body, validate=True))
    event = data._pb
    if not event.HasField("value") and not event.HasField("old_value"):
        return None
    if event.HasField("value") and event.HasField("old_value"):
        changed = sorted(_changed(event.old_value.fields, event.value.fields))
        if not changed:
            return None
        del event.update_mask.field_paths[:]
        event.update_mask.field_paths.extend(changed)
    return Event(
        function=function,
        id=headers["ce-id"],
        type=headers["ce-type"],
        source=headers["ce-source"].replace("/projects/projects/", "/projects/"),
        time=headers["ce-time"],
        document=headers["ce-subject"].removeprefix("documents/"),
        content_type="application/protobuf",
        body=event.SerializeToString(),
    )


def _changed(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of the fields that differ, as deep as both sides hold maps."""
    for name in {*old, *new}:
        if name not in old or name not in new:
            yield prefix + name
        elif old[name].WhichOneof("value_type") == new[name].WhichOneof("value_type") == "map_value":
            yield from _changed(old[name].map_value.fields, new[name].map_value.fields, f"{prefix}{name}.")
        elif old[name] != new[name]:
            yield prefix + name
