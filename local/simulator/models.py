"""What differs between the printer models that can be simulated."""

from dataclasses import dataclass, replace

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
    fans: tuple[int, ...] = (1, 2, 3)
    """The fans that it has, by their numbers in `M106 P…`."""
    nozzles: int = 1
    nozzle_limit: float = 300
    bed_limit: float = 110
    chamber_heater: bool = False
    air_duct: bool = False
    """Whether the fans are reported as parts of an air duct."""
    fun: int | None = None
    """What its firmware can, as bits, with Developer Mode on; None where the firmware does not tell."""
    calibrations: int = 0b110
    """The bits of `option` that it knows."""
    ams_module: str = "ams"
    """What its AMS units are called among the modules."""

    def offers(self, bit: int) -> bool:
        """Whether its firmware says that it has this ability."""
        return bool((self.fun or 0) >> bit & 1)


SIGNATURE_BIT, HOMING_BIT, BED_BIT, SKIP_BIT = 29, 32, 39, 49
"""Of `fun`: control has to be signed; requests of their own for homing and the bed's target; skipping objects."""
_X1_FUN = (0x118_3_0F9CFB | 1 << SKIP_BIT) & ~(1 << SIGNATURE_BIT)
_FULL_FUN = 0x64039FD1B3FF9CB3 & ~(1 << SIGNATURE_BIT)
"""As a recorded P2S tells it."""


_P1S = Model(
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
)
_X1C = Model(
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
    fun=_X1_FUN,
)
_A1 = replace(
    _P1S,
    name="A1",
    serial_prefix="039",
    product="Bambu Lab A1",
    firmware="01.05.00.00",
    idle_stage=0,
    home_flag=0x337D3598,
    fans=(1,),
    bed_limit=100,
    calibrations=0b1110,
    ams_module="ams_f1",
)
_P2S = replace(
    _X1C,
    name="P2S",
    serial_prefix="22E",
    product="Bambu Lab P2S",
    firmware="01.02.00.00",
    home_flag=-1066967664,
    fans=(1, 2, 10, 3),
    air_duct=True,
    fun=_FULL_FUN,
)
_H2S = replace(
    _P2S,
    name="H2S",
    serial_prefix="093",
    product="Bambu Lab H2S",
    firmware="01.01.00.00",
    lights=("chamber_light", "chamber_light2"),
    nozzle_limit=350,
    bed_limit=120,
    chamber_heater=True,
)
_TWO_NOZZLES = 0b10110
MODELS = {
    model.name: model
    for model in (
        _P1S,
        _X1C,
        replace(_P1S, name="P1P", serial_prefix="01S", product="Bambu Lab P1P"),
        _P2S,
        replace(
            _X1C,
            name="X1E",
            serial_prefix="03W",
            product="Bambu Lab X1E",
            firmware="01.01.02.00",
            nozzle_limit=320,
            chamber_heater=True,
        ),
        _A1,
        replace(_A1, name="A1 mini", serial_prefix="030", product="Bambu Lab A1 mini", bed_limit=80),
        _H2S,
        replace(_H2S, name="H2D", serial_prefix="094", product="Bambu Lab H2D", nozzles=2, calibrations=_TWO_NOZZLES),
        replace(
            _P2S,
            name="X2D",
            serial_prefix="20P",
            product="Bambu Lab X2D",
            firmware="01.00.00.00",
            nozzles=2,
            bed_limit=120,
            chamber_heater=True,
            calibrations=_TWO_NOZZLES,
        ),
    )
}

COMMON = ("P1S", "X1C")
"""One of each generation: what is simulated where no models are named."""


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
