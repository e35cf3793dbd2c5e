"""What ended jobs add up to: by day, by printer, and how it is read."""
