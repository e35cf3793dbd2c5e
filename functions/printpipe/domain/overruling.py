"""Which commands a later one for the same printer overrules, where both wait: what is urgent overtakes what is not."""

from printpipe.domain.records import Command

OVERRULING = frozenset({"stop", "pause", "cooldown"})


def overrules(later: Command, earlier: Command) -> bool:
    """Whether the earlier command must not be carried out any more once the later one was asked for."""
    if later.sequence <= earlier.sequence or _printer(later) != _printer(earlier):
        return False
    match later.type, earlier.type:
        case "stop", "start_print":
            return later.job_id in (None, earlier.job_id)
        case "stop", "move" | "calibrate" | "load_filament" | "unload_filament" | "skip_objects":
            return later.job_id is None
        case ("stop", "pause" | "resume") | ("pause", "resume") | ("cooldown", "set_temperature"):
            return True
        case _:
            return False


def _printer(command: Command) -> tuple[str | None, ...]:
    if command.printer_serial is not None:
        return (command.printer_serial,)
    return (None, command.printer_id, command.printer_ip_address)
