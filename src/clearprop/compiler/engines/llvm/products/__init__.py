"""Matrix products: tiles of sums in registers, the panels they read, and what is asked for ahead."""
