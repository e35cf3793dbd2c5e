"""HMS codes in words."""

import unittest

from edge_agent.hms_handler import HMS_MODULES, KNOWN_CODES, describe_hms_code, hms_errors, parse_hms_code

DESCRIBED = {
    "0300_0300_0002_0003": ("hotbed", "critical", "Hotbed heating abnormal"),
    "0500_0200_0001_0001": ("extruder", "error", "Nozzle temperature abnormal"),
    "0500_0300_0002_0001": ("extruder", "critical", "Nozzle heating failed"),
    "0700_0300_0001_0002": ("motion", "error", "Homing failed"),
    "0C00_0100_0001_0001": ("ams", "error", "AMS communication error"),
    "0D00_0200_0001_0001": ("filament", "error", "Filament runout"),
}


class HmsHandlerTest(unittest.TestCase):
    """The contract's six codes have its words; all others are read as printers mean them."""

    def test_the_known_codes_have_the_contracts_words(self) -> None:
        assert tuple(DESCRIBED) == KNOWN_CODES
        for code, words in DESCRIBED.items():
            with self.subTest(code):
                told = describe_hms_code(code)
                assert (told["module"], told["severity"], told["description"]) == words
                assert told["hmsCode"] == code

    def test_the_known_codes_are_of_the_contracts_modules(self) -> None:
        assert HMS_MODULES == {
            "0300": "hotbed",
            "0500": "extruder",
            "0700": "motion",
            "0C00": "ams",
            "0D00": "filament",
            "1200": "chamber",
        }
        for code in KNOWN_CODES:
            assert parse_hms_code(code).module == HMS_MODULES[code[:4]]

    def test_a_code_is_read_however_people_copy_it(self) -> None:
        for text in ("0700_2000_0002_0001", "0700-2000-0002-0001", "HMS_0700-2000-0002-0001", " 0700_2000_0002_0001\n"):
            with self.subTest(text):
                entry = parse_hms_code(text)
                assert (entry.attr, entry.code) == (0x07002000, 0x00020001)
                assert entry.text == "0700_2000_0002_0001"

    def test_other_codes_are_read_as_printers_mean_them(self) -> None:
        told = describe_hms_code("0c00_0300_0001_000a")
        assert told["hmsCode"] == "0C00_0300_0001_000A"
        assert (told["module"], told["severity"]) == ("xcam", "fatal")

    def test_what_is_no_code_is_refused(self) -> None:
        for text in ("", "0300", "0300_0300_0002", "0300_0300_0002_000G", "0300_0300_0002_0003_0004"):
            with self.subTest(text), self.assertRaises(ValueError):  # noqa: PT027 - the standard library alone
                parse_hms_code(text)

    def test_the_entries_of_a_report(self) -> None:
        report = {"hms": [{"attr": 0x03000300, "code": 0x00020003}, {"attr": "?"}, None, {"attr": True, "code": 1}]}
        assert [told["hmsCode"] for told in hms_errors(report)] == ["0300_0300_0002_0003"]
        assert hms_errors({}) == []
        assert hms_errors({"hms": "none"}) == []


if __name__ == "__main__":
    unittest.main()
