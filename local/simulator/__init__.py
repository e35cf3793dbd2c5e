"""Simulated Bambu Lab printers: MQTT broker, FTPS folder, camera port and a machine that prints, all on loopback."""
