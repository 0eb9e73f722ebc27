"""A separate process that unpacks a Parquet file: a malicious file can crash only this process.

``python -P demand/parquet_child.py MOST_ROWS MOST_BYTES < FILE`` writes a line of JSON, which
states the error or names the columns with their distinct values, and then every column's rows as
32-bit indices of these values (-1: none). It imports nothing from the project.
"""

import io
import json
import sys
from typing import Any

ADDRESS_SPACE = 6 << 30
"""Memory limit of this process [bytes]."""

SECONDS = 120
WORDS = {"thrift_string_size_limit": 1 << 20, "thrift_container_size_limit": 1_000_000}
"""Limits on the file's metadata: bytes of a string, entries of a list."""

BATCH_ROWS = 1 << 20


class RefusedError(Exception):
    """The reason why the file is refused, in words."""


def main(most_rows: int, most_bytes: int) -> None:
    """Unpack standard input."""
    _limit()
    try:
        header, columns = _unpack(sys.stdin.buffer.read(), most_rows, most_bytes)
    except RefusedError as error:
        header, columns = {"error": str(error)}, []
    except Exception as error:  # whatever pyarrow raises: the file is damaged
        header, columns = {"error": f"cannot be read as Parquet: {error}"}, []
    out = sys.stdout.buffer
    out.write(json.dumps(header).encode() + b"\n")
    for rows in columns:
        out.write(rows)


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on every system
        return
    for kind, most in ((resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CPU, SECONDS)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _unpack(content: bytes, most_rows: int, most_bytes: int) -> tuple[dict[str, Any], list[bytes]]:
    import pyarrow.compute  # here: an optional dependency
    from pyarrow import parquet

    about = parquet.ParquetFile(io.BytesIO(content), **WORDS).metadata
    schema = about.schema.to_arrow_schema()
    _check_claims(about, most_rows, most_bytes)
    for field in schema:
        _check_kind(field, pyarrow)
    # texts stay dictionary-encoded: a long one may be in every row
    texts = [field.name for field in schema if _is_text(field.type, pyarrow)]
    file = parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts, **WORDS)
    names = [field.name for field in schema if not _is_row_number(field, pyarrow)]
    values, rows, size = [], [], 0
    for name in names if len(set(names)) == len(names) else ():
        texts, indices = _column(file, name, pyarrow)
        size += sum(map(len, texts))
        if len(indices) != 4 * about.num_rows:
            raise RefusedError("cannot be read as Parquet: a column has other rows than the file")
        if size > most_bytes:
            raise RefusedError(f"holds texts of more than {most_bytes:,} bytes")
        values.append(texts)
        rows.append(indices)
    return {"names": names, "rows": about.num_rows, "values": values}, rows


def _check_claims(about: Any, most_rows: int, most_bytes: int) -> None:
    if not 0 <= about.num_rows <= most_rows:
        raise RefusedError(f"{about.num_rows:,} rows, at most {most_rows:,}")
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    held = sum(
        max(group.column(j).total_uncompressed_size, 0)
        for group in groups
        for j in range(about.num_columns)
    )
    held = max(held, 4 * about.num_rows * about.num_columns)
    if held > most_bytes:
        raise RefusedError(f"holds {held:,} bytes, at most {most_bytes:,}")


def _check_kind(field: Any, arrow: Any) -> None:
    """Refuse a column of neither dates nor numbers nor texts."""
    kind, types = _plain(field.type, arrow), arrow.types
    odd = (types.is_nested, types.is_fixed_size_binary, types.is_time, types.is_duration)
    if isinstance(kind, arrow.BaseExtensionType) or any(of(kind) for of in odd):
        raise RefusedError(
            f"column {field.name[:60]!r} holds {str(kind)[:40]}; dates, numbers and texts are "
            "read: write it as one of them, or leave it out"
        )


def _plain(kind: Any, arrow: Any) -> Any:
    return kind.value_type if arrow.types.is_dictionary(kind) else kind


def _is_text(kind: Any, arrow: Any) -> bool:
    kinds = (arrow.string(), arrow.large_string(), arrow.binary(), arrow.large_binary())
    return _plain(kind, arrow) in kinds


def _is_row_number(field: Any, arrow: Any) -> bool:
    """Whether a column holds row numbers, which pandas writes by default."""
    return field.name.startswith("__index_level_") and bool(arrow.types.is_integer(field.type))


def _column(file: Any, name: str, arrow: Any) -> tuple[list[str], bytes]:
    """Return a column's distinct values as text, and every row's."""
    batches = file.iter_batches(BATCH_ROWS, columns=[name])
    parts = [_coded(batch.column(0), arrow) for batch in batches]
    if not parts:
        return [], b""
    coded = arrow.chunked_array(parts).unify_dictionaries()
    rows = [chunk.indices.cast(arrow.int32()).fill_null(-1) for chunk in coded.chunks]
    texts = [_text(value) for value in coded.chunk(0).dictionary.to_pylist()]
    return texts, b"".join(chunk.to_numpy().tobytes() for chunk in rows)


def _coded(part: Any, arrow: Any) -> Any:
    types, kind = arrow.types, part.type
    if types.is_dictionary(kind):
        return part
    if types.is_timestamp(kind):
        local = part if kind.tz is None else arrow.compute.local_timestamp(part)
        part = local.cast(arrow.date32(), safe=False)
    elif types.is_null(kind):
        part = part.cast(arrow.string())
    elif types.is_float16(kind):
        part = part.cast(arrow.float32())
    return part.dictionary_encode()


def _text(value: object) -> str:
    if value is None:
        return ""
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
