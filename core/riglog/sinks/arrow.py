"""Rows as Apache Arrow tables, for Parquet, pandas and polars. The only file that defines Arrow types."""

from collections.abc import Iterator, Sequence
from typing import Any

from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.rows import ROW, Column, Columns, Kind, Row, parse_address


def pyarrow() -> Any:
    """Import pyarrow.

    Raises:
        ConfigError: it is not installed.
    """
    return import_optional("pyarrow", "parquet")


def arrow_schema(columns: Columns = ROW) -> Any:
    """Return columns as an Arrow schema; times are ``timestamp[us, UTC]``."""
    pa = pyarrow()
    types = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.REAL: pa.float64(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(column.name, types[column.kind], not column.required) for column in columns])


def record_batch(records: Sequence[Sequence[Any]], columns: Columns = ROW) -> Any:
    """Return records, with times as text, as one Arrow record batch."""
    pa, schema = pyarrow(), arrow_schema(columns)
    by_column = zip(*records, strict=True) if records else [()] * len(columns)
    arrays = [
        _array(pa, values, column.kind, field.type)
        for values, column, field in zip(by_column, columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def rows_of(batch: Any) -> Iterator[Row]:
    """Return the rows of a record batch that has the columns of the row."""
    return map(Row, *(_plain(values, column) for column, values in zip(ROW, batch.columns, strict=True)))


def _plain(values: Any, column: Column) -> list[Any]:
    found: list[Any] = values.to_pylist()
    if column.kind is Kind.TIME:
        return [None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in found]
    return [parse_address(text) for text in found] if column.name == "address" else found


def _array(pa: Any, values: Sequence[Any], kind: Kind, type_: Any) -> Any:
    if kind is Kind.TIME:
        return pa.array(values, pa.string()).cast(type_)
    if kind is Kind.TEXT:
        return pa.array([None if value is None else str(value) for value in values], type_)
    return pa.array(values, type_)
