"""The tables of states."""

from printpipe.domain.lifecycles import COMMANDS, JOBS, CommandStatus, JobStatus, file_status


def test_every_state_has_its_row_and_a_word() -> None:
    assert set(COMMANDS) == set(CommandStatus)
    assert set(JOBS) == set(JobStatus)
    assert {file_status(status) for status in JobStatus} == {
        "uploaded",
        "queued",
        "claimed",
        "printing",
        "completed",
        "failed",
    }


def test_a_final_state_is_never_left() -> None:
    assert {status for status, after in JOBS.items() if not after} == {
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }
    assert {status for status, after in COMMANDS.items() if not after} == {
        CommandStatus.COMPLETED,
        CommandStatus.FAILED,
        CommandStatus.EXPIRED,
        CommandStatus.CANCELLED,
    }


def test_what_a_printer_has_begun_is_never_queued_again() -> None:
    begun = {JobStatus.PREPARING, JobStatus.PRINTING, JobStatus.PAUSED, JobStatus.UNKNOWN}
    for status in begun:
        assert not JOBS[status] & {JobStatus.HELD, JobStatus.QUEUED, JobStatus.CLAIMED}
