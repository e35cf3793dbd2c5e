"""Bambu Lab printers in Developer Mode: MQTT for control, FTPS for files."""
