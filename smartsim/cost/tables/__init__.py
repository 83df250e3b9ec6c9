"""CSV -> TABLE: published energies as records, each with its source, every fault by its line."""
