"""Pages of whole graphs: folded at first, opened in place, with zoom, map and search, in one offline file."""
