"""MODEL -> TAPE: one forward pass, watched op by op, never executed; the model stays as found."""
