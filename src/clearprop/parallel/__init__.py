"""Training on several devices and in several processes."""

from clearprop.parallel.devices import Mesh, mesh
from clearprop.parallel.hosts import rank, size, start, whole

__all__ = ["Mesh", "mesh", "rank", "size", "start", "whole"]
