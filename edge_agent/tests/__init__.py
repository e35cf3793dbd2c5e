"""What programs beside the agent rely on, tested with the standard library alone: `python -m unittest`."""
