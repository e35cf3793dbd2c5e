"""The bridge between the cloud and the printers of one LAN site."""
