"""The gate and the way out: decisions, the city's own portal, withdrawal."""
