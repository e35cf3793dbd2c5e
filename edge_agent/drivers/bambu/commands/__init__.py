"""The product's commands as Bambu's requests, and how the printer's report shows their effect (section B)."""

from edge_agent.command import Command
from edge_agent.drivers.bambu.commands import filament, job, motion, surroundings, temperatures
from edge_agent.drivers.bambu.commands.job import STOP
from edge_agent.drivers.bambu.commands.plans import Plan, Request
from edge_agent.drivers.bambu.commands.starts import StartOptions, start_3mf, start_gcode, start_options
from edge_agent.drivers.bambu.models import capabilities
from edge_agent.execution import Refused

__all__ = ["STOP", "Plan", "Request", "StartOptions", "plan", "start_3mf", "start_gcode", "start_options"]


def plan(command: Command, serial: str) -> Plan:
    """How to carry out a command other than start_print and stop; raises Refused for what cannot be."""
    data, printer = command.metadata, capabilities(serial)
    match command.kind:
        case "pause":
            return job.pause()
        case "resume":
            return job.resume()
        case "set_speed":
            return job.set_speed(data)
        case "set_flow_rate":
            return job.set_flow_rate(data)
        case "skip_objects":
            return job.skip_objects(data)
        case "clear_error":
            return job.clear_error()
        case "set_temperature":
            return temperatures.set_temperature(data, printer)
        case "cooldown":
            return temperatures.cooldown(printer)
        case "home":
            return motion.home()
        case "move":
            return motion.move(data, printer)
        case "calibrate":
            return motion.calibrate(data, printer)
        case "send_gcode":
            return motion.send_gcode(data)
        case "load_filament":
            return filament.load(data, printer)
        case "unload_filament":
            return filament.unload(data)
        case "set_fan":
            return surroundings.set_fan(data, printer)
        case "light_on" | "light_off":
            return surroundings.light("on" if command.kind == "light_on" else "off", printer)
        case "camera_on" | "camera_off":
            return surroundings.recording(on=command.kind == "camera_on")
        case "timelapse_on" | "timelapse_off":
            return surroundings.timelapse(on=command.kind == "timelapse_on")
        case _:
            raise Refused(f"unsupported: {command.command_type}")
