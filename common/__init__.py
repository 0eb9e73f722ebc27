"""The ground floor: errors, files, the console, compiled functions, random streams.

Networks of these sizes are fastest on one thread, and numpy reads the thread count when it is
loaded, so the limit is set here: every package of the project imports this one first.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
