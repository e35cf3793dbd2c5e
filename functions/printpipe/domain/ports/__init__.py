"""What the domain needs from the outside: narrow protocols that the adapters fulfil."""
