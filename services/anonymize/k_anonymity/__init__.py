"""k-anonymity, l-diversity and t-closeness on distinct combinations: pure functions on numpy arrays."""
