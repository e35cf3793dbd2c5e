"""The XML of a sliced 3MF: `Metadata/slice_info.config` and `Metadata/model_settings.config`, as Bambu Studio and
OrcaSlicer write them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from printpipe.domain.print_files.limits import Limits
from printpipe.domain.print_files.refusals import quoted, refused


@dataclass
class PlateSettings:
    """One `plate` element: its `metadata` pairs and its `filament` elements' attributes, as they are written."""

    metadata: dict[str, str] = field(default_factory=dict)
    filament: list[Mapping[str, str]] = field(default_factory=list)


@dataclass
class Settings:
    """The root element's name without its namespace, the header's pairs, the plates in their order."""

    root: str = ""
    header: dict[str, str] = field(default_factory=dict)
    plates: list[PlateSettings] = field(default_factory=list)


class _Collector:
    """A parser's target that builds no tree, so that a large document costs no memory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._elements = 0
        self._path: list[str] = []
        self.settings = Settings()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.xml_elements or len(self._path) > 100:
            raise refused("The 3MF's settings have too many elements.")
        if not self._path:
            self.settings.root = tag.rpartition("}")[2]
        self._path.append(tag)
        plates = self.settings.plates
        match self._path[1:]:
            case ["header", "header_item"]:
                self.settings.header[attributes.get("key", "")] = attributes.get("value", "")
            case ["plate"]:
                if len(plates) == self._limits.plates:
                    raise refused(f"The 3MF has more than {self._limits.plates} plates.")
                plates.append(PlateSettings())
            case ["plate", "metadata"]:
                plates[-1].metadata.setdefault(attributes.get("key", ""), attributes.get("value", ""))
            case ["plate", "filament"] if len(plates[-1].filament) < self._limits.plates:
                plates[-1].filament.append(dict(attributes))

    def end(self, _tag: str) -> None:
        self._path.pop()

    def close(self) -> Settings:
        return self.settings


def read_settings(name: str, data: bytes, limits: Limits) -> Settings:
    """The document's settings. Raises `InvalidInput` where it is not well-formed, or has a DTD or entities."""
    collector = _Collector(limits)
    parser = XMLParser(target=collector, forbid_dtd=True)
    try:
        parser.feed(data)
        parser.close()
    except DefusedXmlException:
        raise refused(f"The entry {quoted(name)} has a document type or entities.") from None
    except (ParseError, ValueError, LookupError):
        raise refused(f"The entry {quoted(name)} is not well-formed XML.") from None
    return collector.settings
