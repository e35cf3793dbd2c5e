"""What is published, checked as Pub/Sub checks it: by the topics' schemas, which its emulator cannot read."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message_factory import GetMessageClass

from printpipe.adapters.embedded.bus import EmbeddedBus
from printpipe.domain.messages import MODELS
from tools.messages import FOLDER, Numbers, Shape, shape

_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
}


def check(topic: str, data: bytes) -> None:
    """Raises `google.protobuf.json_format.ParseError` for a message that the topic's schema does not allow.

    A field that the schema does not know is refused, as Pub/Sub refuses it.
    """
    if topic in MODELS:
        Parse(data.decode(), _message(topic)(), ignore_unknown_fields=False)


class CheckedBus(EmbeddedBus):
    """The embedded bus, with the schemas of the topics."""

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """Raises `ValueError` for what the schema does not allow, as Google's bus does."""
        try:
            check(topic, data)
        except (ParseError, UnicodeDecodeError) as error:
            raise ValueError(f"{topic}: {error}") from error
        return super().publish(topic, data, attributes)


@cache
def _message(topic: str) -> Any:
    wanted = shape(topic)
    numbers = Numbers.of((FOLDER / f"{topic}.proto").read_text())
    file = FileDescriptorProto(name=f"{topic}.proto", syntax="proto3", message_type=[_descriptor(wanted, numbers, "")])
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(wanted.name))


def _descriptor(wanted: Shape, numbers: Numbers, outer: str) -> DescriptorProto:
    path = f"{outer}.{wanted.name}" if outer else wanted.name
    found = DescriptorProto(name=wanted.name, nested_type=[_descriptor(part, numbers, path) for part in wanted.parts])
    found.field.extend(_fields(wanted, path, numbers.settle(path, wanted.members)))
    for field in found.field:
        if field.proto3_optional:
            field.oneof_index = len(found.oneof_decl)
            found.oneof_decl.add(name=f"_{field.name}")
    return found


def _fields(wanted: Shape, path: str, numbers: Mapping[str, int]) -> Iterator[FieldDescriptorProto]:
    for member in wanted.members:
        yield FieldDescriptorProto(
            name=member.name,
            json_name=member.wire_name,
            number=numbers[member.name],
            type=_SCALARS.get(member.kind, FieldDescriptorProto.TYPE_MESSAGE),
            type_name=None if member.kind in _SCALARS else f".{path}.{member.kind}",
            label=FieldDescriptorProto.LABEL_REPEATED if member.repeated else FieldDescriptorProto.LABEL_OPTIONAL,
            proto3_optional=not member.repeated,
        )
