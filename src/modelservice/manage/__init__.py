"""Every write: validated before its transaction, compared inside it, and committed whole or not at all."""
