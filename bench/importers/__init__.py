"""Numbers that others published, taken over as results with status `imported`."""
