"""The build backend: setuptools' editable install, and no archive.

The rooms have plain names (`envs`, `agents`); copied into site-packages they would be other
people's too, so the project is installed as a link to its checkout or not at all.
"""

from typing import Any, NoReturn

from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
]


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit(
        "inventory-rl is not built as an archive, which would put packages named `envs` and "
        "`agents` into site-packages; install its checkout with: pip install -e ."
    )


get_requires_for_build_wheel = get_requires_for_build_sdist = build_wheel = build_sdist = _refuse
