"""Telling people: over which channels, of what, and getting it there."""
