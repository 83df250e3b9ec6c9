"""COUNTS x PRICES -> ENERGY: of arithmetic and memory, by layer and stage, with its shares."""
