"""Learns of a change and turns it into one typed table."""
