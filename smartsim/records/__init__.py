"""FILE <-> RECORD: one way in and out for every file: whole or not at all, versioned, checked."""
