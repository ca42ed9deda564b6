"""The playground: a page, in one offline file, that trains the reader's own model."""

from clearprop.play.playground import playground

__all__ = ["playground"]
