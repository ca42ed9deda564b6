"""What a person types: expressions, their grammar, and the lecture's graphs made of them."""
