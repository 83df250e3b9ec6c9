"""What all verbs share: how they are called, what they may be given, how they answer."""
