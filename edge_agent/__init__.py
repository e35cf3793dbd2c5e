"""The bridge between the cloud and the printers of one LAN site."""

VERSION = "0.1.0"
"""What the agent calls itself towards the cloud; the same as in pyproject.toml."""
