"""The parts of the sample film that make_clip.py renders: pictures by NumPy and Pillow, sound by NumPy."""
