"""Lets nothing leave that the card's policy does not allow and the scan does not clear."""
