"""One safe table in, every open format out."""
