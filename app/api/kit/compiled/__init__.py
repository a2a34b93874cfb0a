"""marshmallow's results, faster: each schema is compiled to a function when it is first used.

The function leaves to marshmallow whatever it does not cover: an unexpected value to its field,
everything else to the schema. So fields, rules and messages are in the schemas alone.
"""

from app.api.kit.compiled.dump import Dump
from app.api.kit.compiled.load import Load

__all__ = ["Dump", "Load"]
