"""The venues, one package each: vendor words stop here, the rest of the program sees ports and domain values only."""
