"""Tells people what was published and checks what others did with it."""
