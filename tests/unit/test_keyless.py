"""Which rows are answered without a key is the catalog's word."""

import pytest

from printpipe.runtime import catalog

ROWS = list(catalog.rows().values())


def test_rows_that_take_a_body_without_a_key_are_for_legacy_clients_alone() -> None:
    taking = [row for row in ROWS if row.http and row.auth == "optional" and {"POST", "PUT"} & {*row.http.methods}]
    assert [row.name for row in taking if row.keyless != "legacy"] == []


@pytest.mark.parametrize("auth", ["key", "token", "none"])
def test_only_a_row_whose_key_is_optional_says_whom_it_answers_without(auth: str) -> None:
    row = next(each for each in ROWS if each.keyless == "legacy")
    with pytest.raises(ValueError, match="keyless"):
        catalog.Row.model_validate({**row.model_dump(), "auth": auth})
