"""What happens at an organization's printers, told while it happens to whoever looks on."""
