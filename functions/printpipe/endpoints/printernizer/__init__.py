"""The endpoints of the dialect `printernizer`."""
