"""The endpoints of the dialect `taverna`."""
