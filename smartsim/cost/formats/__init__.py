"""NAME or FILE -> FORMAT, PLAN: number formats by name, and which layer computes in which."""
