"""Prusa printers by their PrusaLink (Core One, Buddy firmware)."""
