"""Coverage-guided fuzzing of everything that is parsed, with atheris (the `fuzz` extra).

``python -m tests.fuzz.fuzz_parsers NEW tests/fuzz/corpus -max_total_time=60`` keeps what it finds
of interest in the folder NEW: bytes go to one of the parsers by their first byte, and anything but
a value or an `InputError` of one line is a finding.
"""

import sys

INSTRUMENTED = [
    *("yaml", "csv", "zipfile", "agents", "numpy.lib._format_impl"),
    *("common.files", "common.errors", "demand.reader", "demand.sheet", "demand.table"),
]
"""Modules that are searched for new branches; none that compiles its functions."""


def main() -> None:
    """Fuzz until interrupted."""
    import atheris  # here, for it is no part of what the tests need

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz import parsers
    atheris.Setup(sys.argv, parsers.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
