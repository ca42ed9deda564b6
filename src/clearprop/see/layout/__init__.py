"""The stages of a layout, on numbers alone: ranks, order, coordinates, straightening, wrapping, routes."""
