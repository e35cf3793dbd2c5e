"""How a notice is put for each kind of channel."""
