"""What is sent for a command, when it must not be, and how the printer's report shows its effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from edge_agent.drivers.bambu.state import AMS_CHANGING, Picture
from edge_agent.execution import Refused

Model = TypeVar("Model", bound=BaseModel)
Wanted = Callable[[Picture], bool]
Obstacle = Callable[[Picture], str | None]


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the printer, without its sequence id."""

    section: str
    command: str
    fields: Mapping[str, Any]


def always(request: Request) -> Callable[[Picture], Request]:
    """The same request whatever the printer shows."""
    return lambda _: request


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, as the printer is then, and how its effect shows.

    `wanted` is None where no report shows the effect: then the acknowledgement counts and nothing is ever sent twice.
    `obstacle` says why the command cannot be carried out now. `repeatable`: sending again does no harm.
    """

    request: Callable[[Picture], Request]
    done: str
    wanted: Wanted | None
    repeatable: bool
    obstacle: Obstacle = lambda _: None
    already: bool = True
    """Whether a printer that shows the effect before anything is sent needs no message."""
    settles: bool = False
    """Whether the report may show the effect of an earlier command for a moment: it is believed a little later."""
    acknowledged: bool = False
    """Whether the acknowledgement counts besides, because the report may leave a part of the effect out."""
    slow: bool = False
    """Whether the effect takes minutes: filament is heated, drawn back and pushed forward."""
    companions: tuple[Request, ...] = ()
    """What is sent before it and may fail without harm: models differ in whether they have what it is about."""


class Metadata(BaseModel):
    """A command's metadata: camelCase names; what else it holds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def parse(model: type[Model], data: Mapping[str, Any]) -> Model:
    """The metadata as `model`. Raises Refused, with what is wrong."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        what = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}".removeprefix(": ")
            for item in error.errors(include_input=False, include_url=False)
        )
        raise wrong(what) from None


def wrong(what: str) -> Refused:
    """The metadata cannot be meant."""
    return Refused(f"the command's metadata is wrong: {what}")


def gcode(*lines: str) -> Request:
    """The lines as one request; each ends with a line feed."""
    return Request("print", "gcode_line", {"param": "".join(f"{line}\n" for line in lines)})


def only_while_printing(picture: Picture) -> str | None:
    """The obstacle of what concerns a print."""
    return None if picture.active else "nothing is printing"


def only_while_idle(what: str) -> Obstacle:
    """The obstacle of what needs a printer that does nothing; `what` it cannot do: `be homed`."""

    def obstacle(picture: Picture) -> str | None:
        if picture.active:
            return f"the printer is printing; it cannot {what} now"
        if picture.ams_action == AMS_CHANGING:
            return f"the printer is changing filament; it cannot {what} now"
        return None

    return obstacle
