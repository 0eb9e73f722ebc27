"""Everything Stable-Baselines3: runs, algorithms, training.

Networks of these sizes are fastest on one thread, and numpy reads its number when it is loaded,
so the limit is set here, before anything else is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
