"""The backward pass arrow by arrow: steps, what each says, and why a gradient is the number it is."""
