"""What the cloud orders about a printer's storage and connection, whatever the brand."""
