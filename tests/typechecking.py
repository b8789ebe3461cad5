"""The checker that executes annotations under pytest: beartype, with int accepted for float."""

from beartype import BeartypeConf, beartype

# the numeric tower of PEP 484, which mypy applies as well
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
