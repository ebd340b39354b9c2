"""Arguments that may carry a unit of astropy."""

from typing import Any

from astropy import units as u

__all__ = ["without_unit"]


def without_unit(value: Any, name: str, unit: str, *others: str) -> Any:
    """Return the number of a quantity in a unit, and anything else as it is.

    Parameters
    ----------
    value : Quantity, float or any other
        A plain number is in `unit` already.
    name : str
        The argument, for the error.
    unit : str
        What the number is wanted in.
    *others : str
        Further units that count as the same, as "arcsec / pix" for a pixel's side.

    Returns
    -------
    float, ndarray or any other
        A float for a scalar quantity, an array for several numbers.

    Raises
    ------
    ValueError
        If the quantity is of something else, as a length where an angle is wanted.

    Examples
    --------
    >>> [without_unit(r, "radius", "arcsec") for r in (0.5 * u.arcmin, 2)]
    [30.0, 2]
    """
    if not isinstance(value, u.Quantity):
        return value
    for accepted in (unit, *others):
        if value.unit.is_equivalent(accepted):
            found = value.to_value(accepted)
            return float(found) if value.isscalar else found
    raise ValueError(
        f"`{name}` must be a number of {unit}, or have a unit that converts to it. "
        f"Received: {value}."
    )
