"""Incidents: what printers' errors come to, what is done about them by itself, and the list of them."""
