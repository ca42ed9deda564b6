"""How native code runs a plan: each value's form, what runs side by side, where arrays lie, two cores."""
