"""What has nothing to do with inventory: errors, files, the console, random streams.

The compiled laws of motion are cached on disk. Numba notices a change in the file of the cached
function but not in the files it calls, so the cache folder carries a digest of every source that
holds compiled code: edit the law, and every solver that calls it is compiled anew.
"""

import hashlib
import os
from pathlib import Path

import numba

_ROOT = Path(__file__).resolve().parent.parent


def _compiled_code_digest() -> str:
    """Digest of the sources that may hold or call compiled functions."""
    digest = hashlib.sha256()
    for folder in ("common", "demand", "envs", "baselines"):
        for source in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


if "NUMBA_CACHE_DIR" not in os.environ:
    _cache = Path(__file__).resolve().parent / "__pycache__" / f"numba-{_compiled_code_digest()}"
    numba.config.CACHE_DIR = str(_cache)  # type: ignore[attr-defined]
