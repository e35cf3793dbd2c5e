"""Print files: taken in, stored, given out."""
