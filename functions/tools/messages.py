"""Writes `functions/schemas/<topic>.proto`, by which Pub/Sub checks every message: `python -m tools.messages`.

A schema is one message of proto3 with its parts inside it, whose JSON form is what the models of `domain/messages.py`
publish (https://protobuf.dev/programming-guides/json/). Every single field is optional: a revision may add and remove
no others (https://cloud.google.com/pubsub/docs/commit-schema-revision). A field keeps the number that it has in the
file; a new one gets the next, and the number and the name of one that is gone are never used again.
"""

import ast
import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel

from printpipe.domain.commands import STORAGE_TYPES, TYPES
from printpipe.domain.messages import MODELS, CommandMessage, Message
from printpipe.runtime import catalog

FOLDER = catalog.ROOT / "schemas"
_METADATA = "Metadata"
_WIDTH = 110

_SCALARS: Mapping[Any, str] = {str: "string", bool: "bool", int: "int64", float: "double", datetime: "string"}
_OPENS = re.compile(r"\s*message (\w+) \{")
_FIELD = re.compile(r"\s*(?:optional |(repeated ))?(\w+) (\w+) = (\d+)(?: \[.*\])?;")
_RESERVED_NUMBERS = re.compile(r"\s*reserved ([\d, ]+);")
_RESERVED_NAMES = re.compile(r"\s*reserved ((?:\"\w+\"(?:, )?)+);")


class Reused(Exception):
    """A field has the name of one that was removed, or holds something else than before: it needs another name."""


@dataclass(frozen=True)
class Member:
    """A field: its name in JSON, the type of its values (a scalar, or the name of a part), and what is said of it."""

    wire_name: str
    kind: str
    repeated: bool
    says: str = ""

    @property
    def name(self) -> str:
        """Its name in the schema."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.wire_name).lower()

    @property
    def type(self) -> str:
        """Its type in the schema."""
        return f"repeated {self.kind}" if self.repeated else self.kind


@dataclass(frozen=True)
class Shape:
    """A message of the schema; `parts` are the messages inside it."""

    name: str
    says: str
    members: tuple[Member, ...]
    parts: tuple["Shape", ...] = ()


@dataclass
class Numbers:
    """The numbers that fields have, with their types, and those that are given no more; by the path of a message."""

    given: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    reserved: defaultdict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, schema: str) -> Self:
        """Those of a schema that this tool wrote."""
        found, path = cls(), list[str]()
        waiting: list[int] = []
        for line in schema.splitlines():
            if opened := _OPENS.match(line):
                path.append(opened[1])
            elif line.strip() == "}":
                path.pop()
            elif known := _FIELD.match(line):
                found.given[".".join(path), known[3]] = int(known[4]), f"{known[1] or ''}{known[2]}"
            elif numbers := _RESERVED_NUMBERS.match(line):
                waiting = [int(each) for each in numbers[1].split(",")]
            elif names := _RESERVED_NAMES.match(line):
                found.reserved[".".join(path)] = dict(zip(waiting, re.findall(r"\w+", names[1]), strict=True))
        return found

    def settle(self, path: str, members: Iterable[Member]) -> dict[str, int]:
        """The number of each field of a message. Raises `Reused`."""
        members = list(members)
        gone = self.reserved[path]
        for (where, name), (number, _) in list(self.given.items()):
            if where == path and name not in {each.name for each in members}:
                gone[number] = name
                del self.given[where, name]
        for member in members:
            known = self.given.get((path, member.name))
            if member.name in gone.values() or (known and known[1] != member.type):
                raise Reused(f"{path}.{member.name}")
            if known is None:
                taken = [*gone, *(number for (where, _), (number, _) in self.given.items() if where == path)]
                self.given[path, member.name] = max(taken, default=0) + 1, member.type
        return {member.name: self.given[path, member.name][0] for member in members}


def shape(topic: str) -> Shape:
    """The schema of a topic's messages."""
    model = MODELS[topic]
    found = _shape(model)
    if model is not CommandMessage:
        return found
    return replace(found, parts=(*found.parts, _metadata()))


def text(topic: str, former: str = "") -> str:
    """The file of a topic, that follows on its former content. Raises `Reused`."""
    return "\n".join(['syntax = "proto3";', "", *_written(shape(topic), Numbers.of(former), "")]) + "\n"


def _written(wanted: Shape, numbers: Numbers, outer: str) -> Iterator[str]:
    path = f"{outer}.{wanted.name}" if outer else wanted.name
    known = numbers.settle(path, wanted.members)
    yield from _comment(wanted.says)
    yield f"message {wanted.name} {{"
    if gone := sorted(numbers.reserved[path].items()):
        yield f"  reserved {', '.join(str(number) for number, _ in gone)};"
        yield "  reserved {};".format(", ".join(f'"{name}"' for _, name in gone))
    for part in wanted.parts:
        yield from (f"  {line}" if line else "" for line in _written(part, numbers, path))
        yield ""
    for member in sorted(wanted.members, key=lambda each: known[each.name]):
        yield from (f"  {line}" for line in _comment(member.says))
        label = "repeated" if member.repeated else "optional"
        shown = "" if _json_name(member.name) == member.wire_name else f' [json_name = "{member.wire_name}"]'
        yield f"  {label} {member.kind} {member.name} = {known[member.name]}{shown};"
    yield "}"


def _shape(model: type[BaseModel]) -> Shape:
    says, members, parts = _said_of_fields(model), [], []
    for name, info in model.model_fields.items():
        kind, repeated, part = _type(info.annotation)
        said = [*says.get(name, ()), *_form(info.annotation)]
        members.append(Member(info.alias or name, kind, repeated, " ".join(said)))
        parts += [part] if part else []
    paragraphs = (" ".join(each.split()) for each in (inspect.getdoc(model) or "").split("\n\n"))
    return Shape(model.__name__, "\n\n".join(paragraphs), tuple(members), tuple(parts))


def _metadata() -> Shape:
    """What the commands carry, together: each has some of it."""
    users: defaultdict[Shape, list[str]] = defaultdict(list)
    for command in (*TYPES.values(), *STORAGE_TYPES.values()):
        users[_shape(command.metadata)].append(command.name)
    carried: defaultdict[Member, list[str]] = defaultdict(list)
    for found, commands in users.items():
        for member in found.members:
            carried[member] += commands
    if len(carried) != len({member.wire_name for member in carried}):
        raise TypeError("commands carry different things by one name")
    said = [f"{', '.join(commands)}: {' '.join(found.says.split())}" for found, commands in users.items()]
    return Shape(
        _METADATA,
        "\n".join(["What a command carries, by its type; what is not said is left out.", "", *said]),
        tuple(replace(member, says=f"Of {', '.join(commands)}.") for member, commands in carried.items()),
        tuple(part for found in users for part in found.parts),
    )


def _type(hint: Any) -> tuple[str, bool, Shape | None]:
    """The kind of its values, whether there are many, and the part that they are. Raises `TypeError`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):
        (hint,) = (each for each in arguments if each is not NoneType)
        return _type(hint)
    if origin is tuple:
        kind, _, part = _type(arguments[0])
        return kind, True, part
    if origin is Literal:
        return _SCALARS[type(arguments[0])], False, None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _METADATA, False, None
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.__name__, False, _shape(hint)
    if hint not in _SCALARS:
        raise TypeError(f"no type of a schema for {hint}")
    return _SCALARS[hint], False, None


def _said_of_fields(model: type[BaseModel]) -> dict[str, list[str]]:
    """What stands behind the fields of a message, and of those that it is made from."""
    said: dict[str, list[str]] = {}
    for each in model.__mro__:
        if issubclass(each, Message):
            (defined,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
            assert isinstance(defined, ast.ClassDef)
            for statement, behind in pairwise(defined.body):
                match statement, behind:
                    case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                        said.setdefault(name, [text])
    return said


def _form(hint: Any) -> Iterator[str]:
    if datetime in (hint, *get_args(hint)):
        yield "A time of RFC 3339, in UTC."
    if get_origin(hint) is Literal:
        yield f"One of {', '.join(get_args(hint))}."


def _comment(said: str) -> Iterator[str]:
    for line in said.splitlines():
        yield from (f"// {each}".rstrip() for each in textwrap.wrap(line, _WIDTH) or [""])


def _json_name(name: str) -> str:
    """A field's own, where the schema says no other."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def write() -> None:
    """Writes every topic's file."""
    FOLDER.mkdir(exist_ok=True)
    for topic in MODELS:
        file = FOLDER / f"{topic}.proto"
        file.write_text(text(topic, file.read_text() if file.exists() else ""))


if __name__ == "__main__":
    write()
