"""How a print looks to the executor of its start, in any dialect: as PrintPro3D's printer backend is told of it."""

from pydantic import ConfigDict

from printpipe.dialects.exchange import Reply
from printpipe.domain.records import Command
from printpipe.services.commands.claims import Print


class _Part(Reply):
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class PrinterTarget(_Part):
    """The printer of a print. Its access code is never here: the site's agent asks for it."""

    printer_id: str | None
    printer_name: str | None
    printer_serial: str | None
    ip_address: str | None


class GcodeFile(_Part):
    """The file of a print, with a short-lived link to its bytes; size in bytes, sums in lower hex."""

    url: str | None
    file_name: str
    size: int
    sha256: str
    md5: str


class Parameters(_Part):
    """How the file is to be printed; what nobody said is null."""

    plate_index: int | None
    use_ams: bool | None
    ams_mapping: list[int] | None
    timelapse: bool | None


class Payload(_Part):
    """A print."""

    job_id: str
    product_id: str
    product_name: str
    printer_target: PrinterTarget
    gcode_file: GcodeFile
    print_parameters: Parameters


def payload(start: Command, begins: Print) -> Payload:
    """What a start command begins."""
    file, job, printer, metadata = begins.file.file, begins.job, begins.printer, start.metadata
    return Payload(
        job_id=str(start.job_id),
        product_id=file.product_id,
        product_name=(job.product_name if job else None) or file.file_name,
        printer_target=PrinterTarget(
            printer_id=start.printer_id,
            printer_name=printer.name if printer else None,
            printer_serial=start.printer_serial,
            ip_address=(printer.ip_address if printer else None) or start.printer_ip_address,
        ),
        gcode_file=GcodeFile(
            url=begins.link, file_name=file.file_name, size=file.size, sha256=file.sha256, md5=file.md5
        ),
        print_parameters=Parameters(
            plate_index=metadata.get("plateIndex"),
            use_ams=metadata.get("useAms"),
            ams_mapping=metadata.get("amsMapping"),
            timelapse=metadata.get("enable_timelapse"),
        ),
    )
