"""The command line `ecluse`: the one place where the chambers are put together."""
