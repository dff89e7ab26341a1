"""`make bench`: how fast Écluse is here, beside its peers. Goals are reported, not asserted."""
