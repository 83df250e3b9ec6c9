"""NAME or FILE -> MODEL: built-in names, a callable of the user's, a saved exported program."""
