"""Trained networks as self-describing files that keep the uint8 contract."""
