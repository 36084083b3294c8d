"""What DVC runs, one module per stage: a pure function with a thin `main`."""
