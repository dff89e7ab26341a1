"""Benches: ours beside other tools in the same run, as ratios."""
