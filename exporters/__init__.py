"""Trained networks as self-describing files that keep the uint8 contract."""

import livestyle  # noqa: F401 (before onnxruntime, which would tell its maker of every run)
