"""The city's own open-data site: a process of its own that reads public facts and public files alone."""
