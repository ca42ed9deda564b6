"""A graph as a picture: what the boxes are and hold, where they stand, and SVG, text or a page of them."""
