"""What prints use up and cost. Weights are in milligrams, money is in 1/10,000 of the currency's unit."""

from decimal import ROUND_HALF_UP, Decimal

from printpipe.domain.file_records import Filament, Plate, StoredPrintFile
from printpipe.domain.job_records import Consumption, Cost, Costs, Job
from printpipe.domain.lifecycles import JOBS, JobStatus
from printpipe.domain.tenant_records import Prices

_MILLIGRAMS = 1000
_PARTS = 10_000
"""Of the currency's unit."""
_WATT_SECONDS = 3_600_000
"""Of a kilowatt-hour."""


def material(milligrams: int, prices: Prices) -> int:
    """What a material costs."""
    return _divided(milligrams * prices.per_gram, _MILLIGRAMS)


def power(seconds: int, prices: Prices) -> int:
    """What a printer's power costs while it prints."""
    return _divided(prices.watts * seconds * prices.per_kwh, _WATT_SECONDS)


def amount(money: float) -> int:
    """An amount of the currency as it is stored: in 1/10,000 of its unit."""
    return int((Decimal(str(money)) * _PARTS).to_integral_value(ROUND_HALF_UP))


def money(amount: int) -> float:
    """A stored amount as it is shown: in the currency's unit, with two decimals."""
    return float((Decimal(amount) / _PARTS).quantize(Decimal("0.01"), ROUND_HALF_UP))


def total(costs: Costs) -> int | None:
    """All that is known of a job's costs; None where nothing is."""
    known = [each.amount for each in (costs.material, costs.power, costs.labor) if each is not None]
    return sum(known) if known else None


def plate(job: Job, file: StoredPrintFile | None) -> Plate | None:
    """The plate of its file that a job prints: the one that it names, else the first; None where nothing is known."""
    if file is None or not file.plates:
        return None
    return next((each for each in file.plates if each.index == job.plate_index), file.plates[0])


def estimated_milligrams(job: Job, file: StoredPrintFile | None) -> int | None:
    """What the whole job is to use up, as its file says."""
    weight = _weight(plate(job, file))
    return None if weight is None else weight * job.plates_requested


def estimated_seconds(job: Job, file: StoredPrintFile | None) -> int | None:
    """How long the whole job is to print, as its file says."""
    printed = plate(job, file)
    if printed is None or printed.estimated_seconds is None:
        return None
    return printed.estimated_seconds * job.plates_requested


def printed_seconds(job: Job) -> int | None:
    """How long a job has printed by its end, all its runs together; None before, and where nobody saw it begin."""
    if job.ended_at is None:
        return None
    runs = [(each.ended_at - each.started_at) for each in job.runs if each.started_at and each.ended_at]
    if not runs and job.started_at is not None:
        runs = [job.ended_at - job.started_at]
    return int(sum(each.total_seconds() for each in runs)) if runs else None


def consumption(job: Job, file: StoredPrintFile | None) -> Consumption:
    """What a job that has ended has used up: of a plate that did not come to its end the part that was printed."""
    if job.consumption is not None:
        return job.consumption
    printed = plate(job, file)
    weight = _weight(printed)
    milligrams = None if weight is None or JOBS[job.status] else int(weight * _plates_printed(job) + 0.5)
    return Consumption(material=material_name(printed), milligrams=milligrams)


def known(job: Job, file: StoredPrintFile | None, prices: Prices) -> Costs:
    """A job's costs: what a person set, else what stands, else what it is to cost, or by its end has cost."""
    ended = not JOBS[job.status]
    milligrams = consumption(job, file).milligrams if ended else estimated_milligrams(job, file)
    seconds = printed_seconds(job) if ended else estimated_seconds(job, file)
    return Costs(
        material=job.costs.material or _cost(None if milligrams is None else material(milligrams, prices)),
        power=job.costs.power or _cost(None if seconds is None else power(seconds, prices)),
        labor=job.costs.labor,
    )


def material_name(printed: Plate | None) -> str | None:
    """What people call a plate's main filament: vendor, type and colour, as far as they are told."""
    main = main_filament(printed)
    return None if main is None else " ".join(filter(None, (main.brand, main.type, main.color))) or None


def main_filament(printed: Plate | None) -> Filament | None:
    """The filament that a plate uses most of, the first of several alike."""
    if printed is None or not printed.filament:
        return None
    return max(printed.filament, key=lambda each: each.used_g or 0)


def _plates_printed(job: Job) -> float:
    if job.status == JobStatus.COMPLETED:
        return max(job.plates_completed, 1)
    percent = job.progress.percent if job.progress is not None and job.progress.percent is not None else 0.0
    return job.plates_completed + percent / 100


def _weight(printed: Plate | None) -> int | None:
    return None if printed is None or printed.weight_g is None else round(printed.weight_g * _MILLIGRAMS)


def _cost(amount: int | None) -> Cost | None:
    return None if amount is None else Cost(amount=amount)


def _divided(dividend: int, divisor: int) -> int:
    """Rounded half up."""
    return (dividend + divisor // 2) // divisor
