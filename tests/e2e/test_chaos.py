"""Nothing is lost and nothing happens twice, whatever is repeated, disordered, refused, killed and paused meanwhile."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from local.stack import Stack
from tests.counts import count
from tests.e2e.chaos_story import Told, Workshop
from tests.e2e.mailbox import Mail, Mailbox
from tests.e2e.stack import faults, running_stack

TOLD = Told(jobs=count(500, quick=6), commands=count(2000, quick=16))
DISORDER = {"duplicates": 2, "shuffle": float(count(30, quick=1)), "fail_first": 0.3}
PAUSE = float(count(30, quick=2))
"""Seconds for which the store does not answer."""

KILLS = 2
MOST_AT_ONCE = 8
"""What a killed sender had sent and not noted is sent again under the same id: no more than were being delivered."""

LOOK_EVERY = count(50, quick=1) / 5
"""Seconds: each look reads all that the workshop has."""

SETTLED = float(count(1500, quick=90))
CHANNELS = ("first@example.org", "second@example.org")


@pytest.mark.emulators
@pytest.mark.timeout(count(4000, quick=240))
def test_chaos_ends_as_a_quiet_day_does(tmp_path: Path) -> None:
    with Mailbox() as mailbox, running_stack("google", tmp_path, with_agent=False, settings=mailbox.settings) as stack:
        quiet = tell(stack, "Quiet workshop")
        assert quiet.dead_letters() == []
        mails = mailbox.take()
        assert mails
        assert repeated(mails) == 0

        with faults(stack, **DISORDER), trouble(stack):
            wild = tell(stack, "Wild workshop")
        assert wild.dead_letters() == []
        expected, came = quiet.outcome(), wild.outcome()
        for what, found in came.items():
            assert found == expected[what], what
        again = mailbox.take()
        assert distinct(again) == distinct(mails)
        assert repeated(again) <= KILLS * MOST_AT_ONCE
        print(f"{len(again)} mails, {repeated(again)} of them again after a sender was killed")


def distinct(mails: list[Mail]) -> Counter[tuple[str, str]]:
    """To whom what was told, each mail counted once however often it came."""
    once = {(recipient, mail["Message-ID"]): mail["Subject"] for recipient, mail in mails}
    return Counter((recipient, subject) for (recipient, _), subject in once.items())


def repeated(mails: list[Mail]) -> int:
    """How many came more often than once."""
    return len(mails) - len({(recipient, mail["Message-ID"]) for recipient, mail in mails})


def tell(stack: Stack, name: str) -> Workshop:
    """The story, told to the end."""
    workshop = Workshop(stack.base_url, stack.identity.operator_key, stack.platform, name)
    workshop.open(CHANNELS)
    workshop.live(TOLD)
    deadline = time.monotonic() + SETTLED
    while left := workshop.unsettled(TOLD):
        assert time.monotonic() < deadline, f"{name}: {left}"
        time.sleep(LOOK_EVERY)
    return workshop


@contextmanager
def trouble(stack: Stack) -> Iterator[None]:
    """The functions are killed twice in the middle of their work, and the store does not answer for a while."""
    over = threading.Event()
    thread = threading.Thread(target=_trouble, args=(stack, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _trouble(stack: Stack, over: threading.Event) -> None:
    gateway = stack.child("gateway")
    for _ in range(KILLS):
        over.wait(PAUSE / 2)
        gateway.kill()
        gateway.restart()
        gateway.wait_for("an answer", lambda: _answers(stack) or None, 60)
    store = _firestore(stack)
    over.wait(PAUSE / 2)
    store.send_signal(signal.SIGSTOP)
    try:
        time.sleep(PAUSE)
    finally:
        store.send_signal(signal.SIGCONT)


def _answers(stack: Stack) -> bool:
    try:
        return requests.get(stack.base_url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _firestore(stack: Stack) -> psutil.Process:
    port = stack.environment["FIRESTORE_EMULATOR_HOST"].rpartition(":")[2]
    wanted = f"--port={port}"
    for process in psutil.Process().children(recursive=True):
        if any("firestore" in part for part in process.cmdline()) and wanted in process.cmdline():
            return process
    raise AssertionError("Firestore's emulator is not ours")
