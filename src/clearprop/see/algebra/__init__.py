"""A rule as mathematics: terms and their notation, light algebra, symbols that a rule is run on."""
