"""marshmallow's results, faster: of each schema a function is made when it is first used.

What the function does not know exactly it leaves to marshmallow: an odd value to its field, all
else to the schema. So fields, rules and messages are in the schemas alone.
"""

from app.api.kit.compiled.dump import Dump
from app.api.kit.compiled.load import Load

__all__ = ["Dump", "Load"]
