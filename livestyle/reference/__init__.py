"""Slow ways to a styled picture: the references that fast ones are measured by."""
