"""What differs between the printer models that can be simulated."""

from dataclasses import dataclass

from local.simulator.filaments import AMS_ALONE, AMS_AND_EXTERNAL, Filaments


@dataclass(frozen=True)
class Model:
    """The traits of one printer model. Times are seconds of the printer's own clock."""

    name: str
    serial_prefix: str
    product: str
    firmware: str
    frame_interval: float
    """Pause between two reports."""
    sends_deltas: bool
    """P1: changed fields once a second, everything only when asked; X1: nearly everything every time."""
    success: str
    """The word in `result` and `reason` of an accepted `print.*` command."""
    stale_start: bool
    """After an accepted start the previous job's numbers stay until RUNNING; otherwise an IDLE frame, then PREPARE."""
    accept_seconds: float
    """From the acknowledged start to the first PREPARE (P1) or RUNNING (X1)."""
    prepare_seconds: float
    """Time spent in PREPARE; 0 where the model goes straight to RUNNING."""
    client_slots: int
    """MQTT clients at a time."""
    connack_refused: int
    """CONNACK return code for a wrong access code."""
    ack_seconds: float
    """From the arrival of a command to its effect and acknowledgement; commands wait for each other."""
    idle_stage: int
    """`stg_cur` of a printer that does nothing."""
    home_flag: int
    """`home_flag` without the three homed bits; signed, as the printer sends it."""
    lights: tuple[str, ...]
    filaments: Filaments
    """What a new one has loaded, unless it is told otherwise."""


MODELS = {
    "P1S": Model(
        name="P1S",
        serial_prefix="01P",
        product="Bambu Lab P1S",
        firmware="01.08.02.00",
        frame_interval=1.0,
        sends_deltas=True,
        success="success",
        stale_start=False,
        accept_seconds=1.0,
        prepare_seconds=8.0,
        client_slots=4,
        connack_refused=5,
        ack_seconds=0.03,
        idle_stage=255,
        home_flag=0x4128,
        lights=("chamber_light",),
        filaments=AMS_AND_EXTERNAL,
    ),
    "X1C": Model(
        name="X1C",
        serial_prefix="00M",
        product="Bambu Lab X1-Carbon",
        firmware="01.09.00.01",
        frame_interval=1.2,
        sends_deltas=False,
        success="SUCCESS",
        stale_start=True,
        accept_seconds=2.9,
        prepare_seconds=0.0,
        client_slots=8,
        connack_refused=4,
        ack_seconds=0.05,
        idle_stage=-1,
        home_flag=-1067070064,
        lights=("chamber_light", "work_light"),
        filaments=AMS_ALONE,
    ),
}


@dataclass(frozen=True)
class PrusaModel:
    """The traits of a printer with PrusaLink. Times are seconds of the printer's own clock."""

    name: str
    serial_prefix: str
    product: str
    firmware: str
    nozzle_diameter: float
    preview_seconds: float
    """From the accepted start until the job is shown; until then the printer is IDLE."""
    finishing_seconds: float
    """From the last move until FINISHED."""
    aborting_seconds: float
    """From the stop until STOPPED; until then it is PRINTING."""


PRUSA_MODELS = {
    "CoreOne": PrusaModel(
        name="CoreOne",
        serial_prefix="10589-37",
        product="Prusa CORE One",
        firmware="6.5.0",
        nozzle_diameter=0.4,
        preview_seconds=1.5,
        finishing_seconds=6.0,
        aborting_seconds=8.0,
    ),
}


def model_named(name: str) -> Model | PrusaModel:
    """The model of this name; ValueError names those that exist."""
    known: dict[str, Model | PrusaModel] = {**MODELS, **PRUSA_MODELS}
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"unknown printer model {name!r}, known: {', '.join(known)}") from None
