"""How fast every shipped style runs here, network only:  python samples/benchmark.py [WxH]"""

import sys
import time

import numpy as np

import livestyle
from livestyle.styles import shipped

width, height = (int(side) for side in (sys.argv[1:] or ["640x360"])[0].split("x"))
image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
for style in shipped():
    with livestyle.load(style) as stylizer:
        times = []
        for _ in range(13):
            began = time.perf_counter()
            stylizer(image)
            times.append(time.perf_counter() - began)
        print(f"{style:<16} {1000 * np.median(times[3:]):7.1f} ms   {stylizer.device}")
