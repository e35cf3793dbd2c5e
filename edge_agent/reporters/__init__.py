"""What goes out besides results: the printers' status and their events."""
