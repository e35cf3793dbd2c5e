"""Printers: entered by people, seen by reports, and their history."""
