"""Where a client is: coordinates it tells, or what a MaxMind database says of its address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_PLACE = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)")

Look = Callable[[str], object]
"""The record of an address, None if there is none."""


class Nowhere(Exception):
    """It can't be said where that is; `args[0]` says why, for people."""


def place_of(near: str, look: Look | None) -> tuple[float, float]:
    """Latitude and longitude in degrees of `near`: "LAT,LON" or an IP address.

    Raises:
        Nowhere: it is neither, or nothing is known of the address.
    """
    matched = _PLACE.fullmatch(near)
    if matched is not None:
        latitude, longitude = float(matched[1]), float(matched[2])
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            return latitude, longitude
    try:
        address = str(ipaddress.ip_address(near))
    except ValueError:
        raise Nowhere(f'"{near}" is neither LATITUDE,LONGITUDE nor an IP address') from None
    if look is None:
        raise Nowhere("this node has no [cluster] geo_file, and can't tell where addresses are")
    match look(address):
        case {"location": {"latitude": float() | int() as latitude, "longitude": float() | int() as longitude}}:
            return float(latitude), float(longitude)
    raise Nowhere(f"nothing is known of where {address} is")
