"""One package per printer brand."""
