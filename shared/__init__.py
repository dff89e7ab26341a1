"""What the five services have in common: events, delivery, the store, the card. Imports no service."""
