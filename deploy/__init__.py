"""What runs Écluse: one machine, a compose file, a cluster."""
