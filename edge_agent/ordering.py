"""Which commands a later one overrules.

Commands arrive unordered and more than once. What has been executed is remembered per printer and group by its
sequence; an older command that a newer one has overtaken is not executed any more. A stop is never overruled.
"""

from dataclasses import dataclass

from edge_agent.command import Command


@dataclass(frozen=True, slots=True)
class Ordering:
    """`group` is what the command is remembered under; `overruled_by` are the groups whose newer commands end it."""

    group: str | None = None
    overruled_by: tuple[str, ...] = ()


def ordering(command: Command) -> Ordering:
    """The command's group and the groups that overrule it."""
    job = command.print_job_id
    match command.kind:
        case "stop":
            return Ordering(f"stop:{job}" if job else "stop")
        case "start_print":
            return Ordering("start", ("stop", f"stop:{job}") if job else ("stop",))
        case "pause" | "resume":
            return Ordering("motion", ("motion", "stop", "start"))
        case "set_temperature" | "cooldown":
            return Ordering("temperature", ("temperature",))
        case "set_fan":
            fan = f"fan:{command.metadata.get('fan') or 'part'}"
            return Ordering(fan, (fan,))
        case "set_speed":
            return Ordering("speed", ("speed",))
        case "set_flow_rate":
            return Ordering("flow", ("flow",))
        case "light_on" | "light_off":
            return Ordering("light", ("light",))
        case "camera_on" | "camera_off":
            return Ordering("recording", ("recording",))
        case "timelapse_on" | "timelapse_off":
            return Ordering("timelapse", ("timelapse",))
        case "load_filament" | "unload_filament":
            return Ordering("filament", ("filament", "stop"))
        case "skip_objects":
            return Ordering(None, ("stop", "start"))
        case "move" | "calibrate":
            return Ordering(None, ("stop",))
        case _:
            return Ordering()
