"""Files that are nearly right: each is a record, or one sentence and exit code 2."""
