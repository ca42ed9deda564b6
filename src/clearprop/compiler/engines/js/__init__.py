"""A Program printed as JavaScript: loops over typed arrays, for pages and for Node; no executor runs it."""

from clearprop.compiler.engines.js.script import JavaScript, javascript

__all__ = ["JavaScript", "javascript"]
