"""The root of every deployed bundle: the platform asks this module for the function by its entry point's name."""

from printpipe.runtime.entry import entry_point as __getattr__

__all__ = ["__getattr__"]
