"""All that knows Python and Tensors: recording a function, guarding what it read, running its plan."""
