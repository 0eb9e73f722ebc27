"""The golden trajectories: parameters, a trace, actions, and what must come out."""

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"


def golden_cases(pattern: str) -> dict[str, dict[str, Any]]:
    cases = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob(pattern))}
    assert cases, f"no golden file matches {pattern}"
    return cases
