"""Bad histories for the checker, a file an idea; every file is imported, so that none is forgotten."""

from importlib import import_module
from pkgutil import iter_modules

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")
