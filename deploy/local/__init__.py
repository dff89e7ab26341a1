"""A real broker and a real database out of Python packages, for one machine."""
