"""TABLE x FORMATS -> PRICES: what one act costs at any width, and on what basis that is known."""
