"""COUNTS x TABLES -> ENERGY REPORTS: energy against bit width, tables of energies, readings."""
