"""Printer commands: as their senders, their executors and polling clients see them."""
