"""What is remembered of a printer's status is small, and still tells one status from another."""

from printpipe.domain.printer_status import Gist

LONG = "x" * 20_000


def test_a_gist_is_small_however_long_the_words_are() -> None:
    gist = Gist.of({"state": LONG, "gcodeState": LONG, "fileName": LONG, "hms": [LONG], "printError": LONG})
    assert len(repr(gist)) < 1000


def test_long_words_that_differ_at_their_end_differ() -> None:
    before = Gist.of({"state": "RUNNING", "fileName": LONG + "1"})
    assert Gist.of({"state": "RUNNING", "fileName": LONG + "2"}).turns(before)
    assert not Gist.of({"state": "RUNNING", "fileName": LONG + "1", "layer": 2}).turns(before)
    assert Gist.of({"state": LONG + "1"}).turns(Gist.of({"state": LONG + "2"}))
