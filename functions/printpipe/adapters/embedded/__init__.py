"""Adapters that need nothing but Python: SQLite, a folder, an in-process bus, a key ring on disk."""
