"""The waiting itself, in the triggerer."""
