"""Print jobs: ordered, queued, dispatched, begun, followed to their ends."""
