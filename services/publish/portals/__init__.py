"""The other portals: one interface, one module a kind, deliveries that prove their arrival."""
