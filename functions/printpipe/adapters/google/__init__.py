"""Adapters on Google's own clients; the only package that imports `google.*`."""
