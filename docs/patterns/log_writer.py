"""A log that delays no request: if the log's reader stops, `put` returns at once, and dropped lines are counted."""

import os
import threading
import time

from app.observability.writer import LineWriter

reading, writing = os.pipe()
os.set_blocking(writing, False)
writer = LineWriter(lambda count: b"lost %d lines" % count, writing)
begun = time.perf_counter()
for number in range(20_000):
    writer.put(b"line %d " % number + b"x" * 1000)
seconds = time.perf_counter() - begun

assert seconds < 10, seconds  # a direct write would wait forever for a reader

text = bytearray()
reader = threading.Thread(target=lambda: [text.extend(part) for part in iter(lambda: os.read(reading, 1_000_000), b"")])
reader.start()
assert writer.flush(30)
os.close(writing)
reader.join()
assert b"\nlost " in text
