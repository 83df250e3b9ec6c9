"""TOML x TABLE -> ACCELERATOR, PRICES: a machine as a record, and what each act costs on it."""
