"""Simulated printers of Bambu Lab and Prusa."""
