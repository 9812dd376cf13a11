"""The database that knows where addresses are, opened once."""

from __future__ import annotations

from functools import lru_cache

from edge.cluster.places import Look, Nowhere


@lru_cache(maxsize=2)
def look(geo_file: str) -> Look:
    """Raises Nowhere: the file or the package that reads it can't be used."""
    try:
        import maxminddb
    except ImportError:
        raise Nowhere("places of addresses need the package maxminddb: pip install farline[geo]") from None
    try:
        return maxminddb.open_database(geo_file).get
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise Nowhere(f"{geo_file} can't be read: {error}") from None
