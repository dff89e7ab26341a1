"""The sample city, and the command that shows its data on their way through the chambers."""
