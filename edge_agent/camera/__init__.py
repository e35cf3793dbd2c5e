"""Pictures of prints: from the printers' cameras, in the two ways that they show them, and when they are taken."""
